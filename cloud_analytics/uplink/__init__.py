"""Takes frames from edges over gRPC and tells them what is wanted."""
