"""Logs and trace context, the same in both services."""
