"""Results on their way to subscribers."""
