"""Holds what is set for each camera: on the command line, in a file, or at run time."""
