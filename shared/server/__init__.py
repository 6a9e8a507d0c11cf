"""What a service is besides its work: settings, statuses, its gRPC and HTTP servers, start and stop."""
