"""index.html of a suite's folder: one file with the numbers, the figures and what draws them; it asks nothing else."""
