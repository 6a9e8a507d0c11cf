"""Notices from its pictures that a camera sees nothing any more, or always the same."""
