"""Latent integers to bytes and back: `hyper_synthesis` (v to mean and scale), `cdf_tables` (integer CDFs), `range_coder`
(range coding) and `entropy_codec`, which ties the three together for one task group.

Everything between decoded v and the choice of a CDF is integer arithmetic, so two machines always agree.
"""
