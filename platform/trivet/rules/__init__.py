"""Rules of a feature, declared once for every door: who sees what, who may set what, and which
changes are allowed.

A feature's ``rules.py`` declares plain functions. `rule` judges every change of a class before it
is written, whatever makes it: an endpoint, a service, an admin form, an action, a command.
`visible` says who sees which rows and attributes, `changeable` who may set which, `tenant` which
rows belong to whom. See docs/rules.md and docs/tenants.md for why they hold.
"""

from trivet.rules.across import across_tenants
from trivet.rules.change import Change, Values
from trivet.rules.registry import rule
from trivet.rules.selecting import select_visible, visible_condition
from trivet.rules.tenants import EVERY_TENANT, Tenants, tenant
from trivet.rules.visibility import changeable, visible

__all__ = [
    "EVERY_TENANT",
    "Change",
    "Tenants",
    "Values",
    "across_tenants",
    "changeable",
    "rule",
    "select_visible",
    "tenant",
    "visible",
    "visible_condition",
]
