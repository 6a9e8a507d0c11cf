"""Decides what is coded at all, and with how many bits."""
