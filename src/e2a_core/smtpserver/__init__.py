"""SMTP server: the listener, the dialogue, and the pipeline that delivers accepted mail to inboxes."""
