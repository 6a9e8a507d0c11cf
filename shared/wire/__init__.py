"""The wire contracts of `proto/taxon/v1`, generated when the project is installed (setup.py); never edited."""
