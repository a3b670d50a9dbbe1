"""SMTP intake: the listener, and the seam behind which mail is accepted."""
