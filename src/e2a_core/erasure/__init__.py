"""Permanent deletion, on request or at the end of retention."""
