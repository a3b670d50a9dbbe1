"""Signatures and signed tokens: pure functions of bytes, the current time and the deployment's secrets."""
