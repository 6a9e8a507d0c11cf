"""Logs and metrics, the same in both services."""
