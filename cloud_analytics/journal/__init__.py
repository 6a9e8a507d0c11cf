"""Keeps accepted frames until every subscriber has had them, on this disk (`local`) or a shared NATS (`jetstream`)."""
