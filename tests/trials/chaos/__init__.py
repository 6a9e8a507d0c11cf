"""Faults at random against both services, and what must hold all the same: `python -m tests.trials.chaos --seconds 600 --seed 7`.

    plan (what happens, from the seed alone) --> faults (does it) --> run (4 cameras, 2 subscribers) --> report (judges)

Law: every frame that was answered `coded` reaches both subscribers once and in order; whatever else was offered was refused for a
reason; what happens under a camera's mask changes none of its results; a service that has lived through more needs no more memory.
"""
