"""Keeps the journal and held wishes of one cloud process in a folder of its own."""
