"""The coding schemes that the experiments compare."""
