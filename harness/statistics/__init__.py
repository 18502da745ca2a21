"""Arrays in, numbers out: rank agreement, ceilings, intervals, ranks."""
