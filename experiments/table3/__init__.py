"""Table 3 of the paper: collect, results, report."""
