"""A suite's run: pools dealt, truths found, methods evaluated, every answer kept at once."""
