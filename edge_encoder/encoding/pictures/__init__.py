"""Reads one picture format a module; `edge_encoder.encoding.picture_file` chooses among them."""
