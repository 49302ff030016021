"""Who may give what with API keys: each attempt by a SQLAlchemy session, with what it needs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.admin.grant_table import (
    CHANGE_USER,
    DELETE,
    DJANGO_ATTEMPTS,
    LATER,
    NOTHING,
    SUPERUSER,
    VIEW,
    Attempt,
    Needs,
    needs,
)
from trivet.identity.keys import ApiKey, issue_key


def make_keys(db: Session, ids: dict[str, int]) -> None:
    """The keys of the table, each labelled by its owner."""
    for owner, scopes in (("weak", [VIEW]), ("chief", []), ("strong", None)):
        issue_key(db, owner_id=ids[owner], label=owner, expires_at=LATER, scopes=scopes)


def user_id(db: Session, name: str) -> int:
    from trivet.identity.django_tables import users as table

    found = db.scalar(select(table.c.id).where(table.c.username == name))
    assert found is not None
    return int(found)


def _issue(owner: str, scopes: list[str] | None) -> Callable[[Session], Any]:
    return lambda db: issue_key(db, owner_id=user_id(db, owner), label="new", scopes=scopes)


def _insert_plainly(owner: str, scopes: list[str] | None) -> Callable[[Session], Any]:
    def work(db: Session) -> None:
        values = {"prefix": "tvt_forged", "digest": "0" * 64, "label": "new", "scopes": scopes}
        db.add(ApiKey(owner_id=user_id(db, owner), **values))
        db.flush()

    return work


def _set(label: str, /, **values: Any) -> Callable[[Session], Any]:
    def work(db: Session) -> None:
        key = db.scalars(select(ApiKey).where(ApiKey.label == label)).one()
        for name, value in values.items():
            setattr(key, name, user_id(db, value) if name == "owner_id" else value)
        db.flush()

    return work


def _delete(label: str) -> Callable[[Session], Any]:
    def work(db: Session) -> None:
        db.delete(db.scalars(select(ApiKey).where(ApiKey.label == label)).one())
        db.flush()

    return work


def _unrevoke(label: str) -> Callable[[Session], Any]:
    return _set(label, revoked_at=None)


SOON = LATER - timedelta(days=7)
NOW = LATER - timedelta(days=30)
FOR_WEAK = needs(CHANGE_USER, VIEW)
KEY_ATTEMPTS: dict[str, tuple[Callable[[Session], Any], Needs]] = {
    "a whole key for somebody": (_issue("weak", None), SUPERUSER),
    "a key that may do nothing for nobody in particular": (
        _issue("helper", []),
        needs(CHANGE_USER),
    ),
    "a scoped key for a weaker user": (_issue("weak", [VIEW]), FOR_WEAK),
    "a scoped key for a stronger user": (
        _issue("strong", [VIEW]),
        needs(CHANGE_USER, VIEW, DELETE),
    ),
    "a key that may do nothing for a stronger user": (
        _issue("dormant", []),
        needs(CHANGE_USER, DELETE),
    ),
    "a key for a superuser": (_issue("chief", None), SUPERUSER),
    "a scoped key for a superuser": (_issue("chief", [VIEW]), SUPERUSER),
    "a row for a superuser": (_insert_plainly("chief", None), SUPERUSER),
    "a row for a weaker user": (_insert_plainly("weak", [VIEW]), FOR_WEAK),
    "a key revoked": (_set("weak", revoked_at=NOW), NOTHING),
    "a stronger key revoked": (_set("strong", revoked_at=NOW), NOTHING),
    "a key labelled": (_set("weak", label="x"), NOTHING),
    "a key ends sooner": (_set("strong", expires_at=SOON), NOTHING),
    "a key deleted": (_delete("strong"), NOTHING),
    "a key lives longer": (_set("weak", expires_at=LATER + timedelta(1)), FOR_WEAK),
    "a key lives for ever": (_set("weak", expires_at=None), FOR_WEAK),
    "a key loses its scopes": (_set("weak", scopes=None), SUPERUSER),
    "a key loses what it may do": (_set("weak", scopes=[]), FOR_WEAK),
    "a key gets another secret": (_set("weak", digest="1" * 64), FOR_WEAK),
    "a key gets another name": (_set("weak", prefix="tvt_other"), FOR_WEAK),
    "a whole key gets another secret": (_set("strong", digest="1" * 64), SUPERUSER),
    "a key gets a stronger owner": (
        _set("weak", owner_id="strong"),
        needs(CHANGE_USER, VIEW, DELETE),
    ),
    "a key gets a superuser": (_set("weak", owner_id="chief"), SUPERUSER),
    "a superuser's key revoked": (_set("chief", revoked_at=NOW), SUPERUSER),
    "a superuser's key labelled": (_set("chief", label="x"), SUPERUSER),
    "a superuser's key deleted": (_delete("chief"), SUPERUSER),
    "a superuser's key ends sooner": (_set("chief", expires_at=SOON), SUPERUSER),
    "a superuser's key gets another owner": (_set("chief", owner_id="helper"), SUPERUSER),
    "a use noted": (_set("chief", last_used_at=NOW), NOTHING),
}

ATTEMPTS: dict[str, Attempt] = {
    **DJANGO_ATTEMPTS,
    **{name: Attempt(work, wanted) for name, (work, wanted) in KEY_ATTEMPTS.items()},
}
"""All of them."""
