"""The database before a server of development starts: what it lacks, and who can log in.

Nothing of this leaves a connection open, because the process that asks goes on to watch files.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from trivet_deploy.schema import apply_all, list_steps
from trivet_settings import Settings

_OF_TRIVET = "trivet"


def list_pending(settings: Settings) -> list[str]:
    """What the database lacks: each migration of a feature by name, and how many others there
    are."""
    with _closing():
        steps = [each for each in list_steps(settings.direct) if not each.is_applied]
    features = {entry.rpartition("=")[0] or entry.rpartition(".")[2] for entry in settings.features}
    named = [f"{each.owner} {each.name}" for each in steps if each.owner in features]
    others = Counter(
        "Trivet's own" if each.owner == _OF_TRIVET else "Django's"
        for each in steps
        if each.owner not in features
    )
    return [*(f"{whose}: {count}" for whose, count in others.items()), *named]


def apply(settings: Settings) -> None:
    """Apply what waits."""
    with _closing():
        apply_all(settings.direct)


def count_users() -> int:
    """How many users there are. The database has to be migrated."""
    from django.contrib.auth import get_user_model

    with _closing():
        return int(get_user_model().objects.count())


@contextmanager
def _closing() -> Iterator[None]:
    from django.conf import settings
    from django.db import connection, connections

    try:
        yield
    finally:
        if settings.configured:  # it is not if a feature cannot be loaded
            connections.close_all()
            if hasattr(connection, "close_pool"):
                connection.close_pool()
