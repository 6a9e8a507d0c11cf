"""Reports of the experiments: docs/results/<name>.json as Markdown and figures, with the paper's own numbers beside ours.

    found (a results file) --results--> Made, Point, Plateau --markdown(found)--> <name>.md: what was asked, tables, columns, command
                                                             `--figures(found, folder)--> <name>*.png, <name>*.svg beside it

One module an experiment: table1, table2, table3, table4, rd. Shared: paper (the paper's tables), names (words and units), results, tables
(Markdown), style, labels and panels (matplotlib).
Law: the same results file gives the same text and the same bytes of every figure.
"""
