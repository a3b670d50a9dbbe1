"""Metrics: counts and rates over the mail of a time window."""
