# Each recipe is one line of what tests/run and continuous integration run.

# List the recipes
default:
    @just --list

# Format the code
fmt:
    cargo fmt

# Check the format
fmt-check:
    cargo fmt --check

# Lint, with every warning an error
clippy:
    cargo clippy --all-targets --locked -- -D warnings

# Format check, lints, unit and integration tests
test:
    tests/run unit

# End-to-end tests; `just e2e -k refresh` runs those whose name has it
e2e *arguments:
    tests/run e2e {{ arguments }}

# The served document, with 200 examples an operation
conformance:
    tests/run conformance

# Each fuzz target for 60 seconds; `just fuzz 300 token_reply` is longer and fewer
fuzz *arguments:
    tests/fuzz {{ arguments }}

# Banned crates, licences, sources and advisories of the dependencies
deny:
    tests/run deny

# All that continuous integration runs
ci:
    .ci/run
