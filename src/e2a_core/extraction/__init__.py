"""The text of attachments: read once, kept with the message, and found by search."""
