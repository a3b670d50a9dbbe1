"""The files that contributors and CI work with hold what they promise."""
