"""What this project promises, and the tests that prove it."""
