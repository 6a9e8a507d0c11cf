"""Sends spooled frames to the cloud over one gRPC stream."""
