"""Signatures and signed tokens: pure functions over bytes, a clock reading and the deployment secrets."""
