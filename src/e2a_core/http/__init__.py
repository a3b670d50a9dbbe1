"""The HTTP side of a home: links in mail, downloads, operations."""
