"""Turns a picture into tensors and tensors into substreams."""
