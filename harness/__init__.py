"""The benchmark harness: truth by retraining, the costs, the statistics, the leaderboard."""
