"""Renders the furnished sample rooms and writes exact labels for them."""
