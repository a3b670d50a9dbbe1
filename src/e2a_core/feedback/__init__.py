"""Processing delivery status notifications and complaints about sent mail."""
