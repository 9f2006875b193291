"""What is true and what to do about it. Pure: no clock, no randomness, no I/O; see the import contract."""
