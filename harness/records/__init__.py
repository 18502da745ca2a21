"""What was answered, as files, with where it came from."""
