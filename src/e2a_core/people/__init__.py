"""People: who uses the pages, the links they sign in with, and their sessions."""
