"""Keeps accepted frames until every subscriber has had them: on this disk (`local`) or on a shared NATS (`jetstream`)."""
