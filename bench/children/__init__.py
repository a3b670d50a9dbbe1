"""Programs that the benchmark runs as child processes: baselines, and clients that generate load."""
