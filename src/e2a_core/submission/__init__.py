"""Outbound mail: from an accepted request to a known outcome for each recipient."""
