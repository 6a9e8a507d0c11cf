"""Table 1 of the paper: collect, report."""
