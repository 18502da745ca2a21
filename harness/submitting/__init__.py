"""Foreign results held against everything that can be known of them: may they be merged, and if not, why not."""
