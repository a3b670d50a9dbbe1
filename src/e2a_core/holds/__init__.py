"""Holding mail for review."""
