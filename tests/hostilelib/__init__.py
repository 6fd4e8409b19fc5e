"""What `tests/hostile` and `tests/e2e/test_hostile.py` are made of: one user who
takes all that can be had, and another who only wants tokens. Standard library alone,
since the interpreter's own packages may lie where another user cannot read."""
