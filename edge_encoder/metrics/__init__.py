"""Counts what the edge does, for the service as a whole and for each camera."""
