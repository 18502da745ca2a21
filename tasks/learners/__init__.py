"""What learns: model families as pure functions of their parameters."""
