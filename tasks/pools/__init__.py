"""How tasks deal their pools: splits, generators and their truncation, contributors."""
