"""The benchmark works; how fast things are is not a matter of tests."""
