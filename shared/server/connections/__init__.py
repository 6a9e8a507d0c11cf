"""Bounds what HTTP connections, WebSockets and TLS handshakes may take."""
