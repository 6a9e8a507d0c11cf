"""Table 4 of the paper: collect, report."""
