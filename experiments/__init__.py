"""Experiments: what the feature codec is compared with, and the comparisons."""
