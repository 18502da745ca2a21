"""What retraining says each contributor is worth: which coalitions to train, and values read off their outcomes."""
