"""Templates: sources with slots that accounts keep, and the starters to copy from."""
