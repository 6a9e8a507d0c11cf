"""Delivers results to subscribers over gRPC."""
