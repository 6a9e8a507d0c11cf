"""Computes a frame's results: which bundle, which heads, in which batch, on which thread."""
