"""Rate-distortion curves (paper 4.2): collect, results, report."""
