"""Prepare training data: sources, views, batches, and the teachers' answers."""
