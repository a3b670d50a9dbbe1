"""The documentation says what the code does, and all of it."""
