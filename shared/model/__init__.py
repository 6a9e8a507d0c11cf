"""Describes a model bundle: its tasks, manifest, graphs and the metrics of its results."""
