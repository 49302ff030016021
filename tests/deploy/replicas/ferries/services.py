"""What both rooms do with ferries."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.deploy.replicas.ferries.models import Ferry

SEEN = text(
    "SELECT inet_server_port(), (SELECT coalesce(array_agg(name), '{}') FROM ferries_ferry)"
)
STAMP = "SELECT stamp('stamped')"
"""Looks like a read, and writes."""


def launch(db: Session, _actor: object, name: str) -> None:
    db.add(Ferry(name=name))


def see(db: Session, _actor: object) -> tuple[int, list[str]]:
    """The port of the server that answers, and the names of all ferries there."""
    port, names = db.execute(SEEN).one()
    return port, names


def see_with_django(db: Session, actor: object) -> tuple[int, list[str]]:
    from django.apps import apps

    mirror: Any = apps.get_model("ferries", "ferry")
    port, names = see(db, actor)
    assert set(mirror.objects.values_list("name", flat=True)) == set(names)
    return port, names


def stamp(db: Session, _actor: object) -> None:
    db.execute(text(STAMP))


def find(db: Session, _actor: object, name: str) -> Ferry | None:
    return db.scalar(select(Ferry).where(Ferry.name == name))
