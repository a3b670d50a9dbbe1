"""Domains under which inboxes live: the shared one of the deployment, and those that accounts prove to own."""
