"""Programs that the benchmark runs as processes of their own: baselines, and clients that make load."""
