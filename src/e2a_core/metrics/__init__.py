"""Counts and rates over the mail of a window."""
