"""Latent integers to bytes and back: `hyperprior` (v to mean and scale), `tables` (integer CDFs), `coder`
(range coding) and `codec`, which ties the three together for one task group.

Everything between decoded v and the choice of a CDF is integer arithmetic, so two machines always agree.
"""
