"""Screening: gates and detectors, from what is known of a message to allow, flag, review or block."""
