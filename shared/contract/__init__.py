"""The values that travel between cameras, edge, cloud and subscribers, and how they stand in messages."""
