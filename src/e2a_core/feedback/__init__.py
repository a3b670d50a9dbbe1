"""What other systems report of mail that was sent."""
