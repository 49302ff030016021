"""Databases, sessions and the unit of work; the capture of a flush, and the refusals.

Importing the package binds the listeners of every session (`trivet.data.listeners`), so that no
session works without them.
"""

from trivet.data import listeners as listeners
