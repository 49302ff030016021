"""Databases, sessions and the unit of work; what a flush tells and what is refused.

Importing the package binds the listeners of every session (`trivet.data.listeners`), so that
none works without them.
"""

from trivet.data import listeners as listeners
