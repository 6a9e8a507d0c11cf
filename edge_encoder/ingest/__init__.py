"""The doors of the edge: HTTP, gRPC, and sources that it plays by itself. All of them lead to `edge_encoder.ingest.admission`."""
