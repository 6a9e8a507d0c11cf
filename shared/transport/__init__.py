"""Reaches the other side: addresses, channels, credentials and the table of statuses."""
