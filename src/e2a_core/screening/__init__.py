"""Screening of messages by gates: decides to allow, flag, review or block."""
