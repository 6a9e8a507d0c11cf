"""Keeps coded frames on the disk until the cloud has acknowledged them."""
