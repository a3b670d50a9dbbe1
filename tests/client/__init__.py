"""The public Python client against a running deployment."""
