"""Addresses not to be written to, and how their owners get there."""
