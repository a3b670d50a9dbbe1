"""Templates: an account's mail sources with slots, and the starters to copy from."""
