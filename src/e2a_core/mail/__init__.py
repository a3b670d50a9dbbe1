"""Pure functions over RFC 5322 octets: read, classify, quote, thread and compose mail. Does no I/O."""
