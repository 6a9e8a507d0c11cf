"""Reads, renews and watches the certificates of a port."""
