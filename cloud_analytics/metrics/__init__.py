"""Counts what the cloud does, for the service as a whole and for each camera."""
