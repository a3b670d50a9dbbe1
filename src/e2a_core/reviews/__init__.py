"""Holds: mail that waits for a person, and the decision on it."""
