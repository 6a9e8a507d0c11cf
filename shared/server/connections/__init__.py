"""The bounds of what HTTP connections, WebSockets and TLS handshakes may take."""
