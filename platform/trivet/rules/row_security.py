"""Tenants as PostgreSQL sees them: one setting of a transaction, and policies that read it.

The setting, ``trivet.tenants``, is an array of texts. ``school=7`` is a tenant, ``school`` alone
every tenant of that kind, and ``*`` everything: that is the product's own work. Without a setting
no row is there. It ends with its transaction, so it is right behind any pooler.

A policy depends on the way from a row to its tenant alone, and not on who has which tenant: what
the rule's function says is asked anew for each transaction, and changing it needs no migration.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy.sql.selectable import SelectBase

from trivet.array_text import texts
from trivet.identity.identity import Identity
from trivet.rules.tenants import EVERY_TENANT, InTenant, asked_alone

SETTING = "trivet.tenants"
EVERYTHING = "{*}"
"""The value of the setting for the product's own work."""
OPEN_EVERYTHING = f"SELECT set_config('{SETTING}', '{EVERYTHING}', true)"


class Setting(NamedTuple):
    """The tenants of an actor.

    Attributes:
        value: Those that are known, as the setting has them.
        asked: Queries for more of them, each with the name of its kind.
    """

    value: str
    asked: Sequence[tuple[str, SelectBase]] = ()


def setting_of(declared: Iterable[InTenant], actor: Identity | None) -> Setting:
    """The setting for a transaction of `actor`.

    Args:
        declared: The declarations that PostgreSQL asks about.
        actor: Who acts; None is the product itself.
    """
    if actor is None or actor.kind == "system":
        return Setting(EVERYTHING)
    known: list[str | None] = []
    asked: list[tuple[str, SelectBase]] = []
    for name, function in {each.name: each.function for each in declared}.items():
        said = asked_alone(function, actor)
        if said is EVERY_TENANT:
            known.append(name)
        elif isinstance(said, SelectBase):
            asked.append((name, said))
        else:
            known += [f"{name}={key}" for key in said]
    return Setting(texts(known), asked)
