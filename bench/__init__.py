"""The benchmark: each figure as a ratio to a baseline of the same run. `python -m bench` from the root."""
