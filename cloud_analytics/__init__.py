"""The cloud service: feature bitstreams in, task results out."""
