"""The parts of tests/soak: a provider, callers, faults, and what became of each grant."""
