"""Do the same bitstreams decode to the same symbols on other machines, and are other machines' bitstreams decoded here?

    corpus (here) --bitstreams--> decode trial: another architecture, BLAS, CPU level, numpy --digests--> equal, all of them
    pictures -----> encode trial: another architecture, runtime, thread count, noise --bitstreams--> decoded here, equal

`python -m tests.trials.crossarch` (make crossarch) runs every trial in a process of its own; docs/crossarch.md has the figures.

Law: a trial counts only where its process says itself that it ran as the trial wanted (architecture, version, kernel).
"""
