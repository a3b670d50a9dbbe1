"""Everything an account holds: its export as one document, and its erasure."""
