"""Reviews: listing held mail, and deciding on it."""
