"""Outbound mail: from the request to send to the outcome for each recipient."""
