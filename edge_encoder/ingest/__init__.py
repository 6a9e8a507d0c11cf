"""Takes frames by HTTP, by gRPC and from the edge's own sources. All of them go through `edge_encoder.ingest.admission`."""
