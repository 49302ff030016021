"""Rules of a feature, declared once for every door: who sees what, who may set what, and which
changes are allowed.

A feature's ``rules.py`` declares plain functions. `rule` judges every change of a class before it
is written, whatever makes it: an endpoint, a service, an admin form, an action, a command.
`visible` says who sees which rows and attributes, `changeable` who may set which. See
docs/rules.md for why they hold.
"""

from trivet.rules.change import Change, Values
from trivet.rules.registry import rule
from trivet.rules.selecting import select_visible, visible_condition
from trivet.rules.visibility import changeable, visible

__all__ = [
    "Change",
    "Values",
    "changeable",
    "rule",
    "select_visible",
    "visible",
    "visible_condition",
]
