"""The stages of `taxon train`, in their order."""
