"""Turns substreams into latents and latents into task results."""
