"""The people and the first rows of the joined project."""

from typing import Any

from tests.admin.conftest import _hashed_password


def create_people() -> None:
    from django.contrib.auth.models import Permission

    from tests.joined.polls.models import Choice, Question, Tag

    boss = _create("boss", is_staff=True, is_superuser=True)
    voter = _create("voter")
    voter.user_permissions.set(Permission.objects.filter(codename="change_choice"))
    _create("guest")
    Tag.objects.bulk_create([Tag(name="sport"), Tag(name="food")])
    lunch = Question.objects.create(text="What for lunch?", author=boss)
    Choice.objects.create(question=lunch, text="Soup")
    Question.objects.create(text="Who wins?")


def _create(username: str, **flags: bool) -> Any:
    from django.contrib.auth import get_user_model

    users: Any = get_user_model().objects
    given = {"email": f"{username}@example.org", "password": _hashed_password(), **flags}
    return users.create(username=username, **given)


def disconnect() -> None:
    from django.db import connection, connections

    connections.close_all()
    if hasattr(connection, "close_pool"):
        connection.close_pool()


def create_clerk() -> None:
    """Staff who may read the trail, and nothing of the project."""
    from django.contrib.auth.models import Permission

    clerk = _create("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_auditentry"))
