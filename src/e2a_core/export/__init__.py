"""Export of an account's data as one document."""
