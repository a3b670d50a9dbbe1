"""Screening of messages by gates and detectors: decides to allow, flag, review or block."""
