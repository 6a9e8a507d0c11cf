"""Draws results as pictures and names their classes, in the form that a subscriber asked for."""
