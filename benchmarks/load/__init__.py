"""Offered against served, past twice what the services can do: goodput, delay, and what became of every other frame.

    python -m benchmarks.load [--seconds 480] [--json docs/load.json] [--report-only]

    the clock --due frames--> cameras --posts--> edge --> cloud --> a subscriber of all six tasks that notes when each result came

Open loop: a frame is posted when it is due by the clock, whatever became of the ones before it, as cameras do. Its delay counts from when
it was due, not from when the generator got round to it, and no frame is left out for being late (else a system that stands still would
look fast: coordinated omission). How late the generator itself was is reported beside it.

First the capacity is measured (in a closed loop, which offers what is served), then multiples of it with one number of cameras, then the
same offered rate spread over 1, 10, 100 and 1000 cameras. Laws: `report.Load.broken`.
"""
