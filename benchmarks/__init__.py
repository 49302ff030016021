"""Measurements from outside, as a client meets it: Trivet beside its peers, in one run.

`docs/performance.md` says what is measured, why in this way, and what came out.
"""
