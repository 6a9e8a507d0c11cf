"""The parts of a service besides its work: settings, security, its gRPC and HTTP servers, start and stop."""
