"""Rules of change: what a feature allows to become of its rows, said once for every door.

A feature's ``rules.py`` declares plain functions. Each is asked about every change of its class
before anything of it is written, whoever changes it: an endpoint, a service, an admin form, an
action, a command. See docs/rules.md for why it holds.
"""

from trivet.rules.change import Change, Values
from trivet.rules.registry import rule

__all__ = ["Change", "Values", "rule"]
