"""Events: what each one carries, and writing it beside the change it reports."""
