"""The way to the other side: addresses, channels, credentials and the table of status codes."""
