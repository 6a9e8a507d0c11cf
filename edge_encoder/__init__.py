"""The edge service: camera frames in, feature bitstreams out. The pixels never leave it."""
