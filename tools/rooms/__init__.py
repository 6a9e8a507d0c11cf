"""Render the furnished sample rooms and write exact labels for them."""
