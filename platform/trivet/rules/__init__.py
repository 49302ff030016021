"""Rules of change: the changes of its rows that a feature allows, declared once for every door.

A feature's ``rules.py`` declares plain functions. Each of them judges every change of its class
before the change is written, whatever makes it: an endpoint, a service, an admin form, an action,
a command. See docs/rules.md for why it holds.
"""

from trivet.rules.change import Change, Values
from trivet.rules.registry import rule

__all__ = ["Change", "Values", "rule"]
