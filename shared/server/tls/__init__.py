"""The certificates of a port: read, renewed and watched."""
