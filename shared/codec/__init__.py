"""Turns latent integers into bytes and back.

    v --hyper_synthesis--> mean, scale --cdf_tables--> integer CDFs --range_coder--> bytes

`entropy_codec` ties the three together for one task group. Law: everything between the decoded v and the choice of a
CDF is integer arithmetic, so that two machines always agree.
"""
