"""The command `taxon`: a picture to bytes, bytes to six results."""
