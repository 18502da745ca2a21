"""The benchmark harness: truth by retraining, the bill, the statistics, the leaderboard."""
