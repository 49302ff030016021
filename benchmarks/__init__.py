"""Measurements of the whole house, from outside, as a client meets it."""
