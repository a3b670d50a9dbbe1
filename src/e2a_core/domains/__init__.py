"""Domains of inboxes: the deployment's shared domain, and domains whose ownership accounts have verified."""
