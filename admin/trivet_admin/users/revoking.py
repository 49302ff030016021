"""Trust that ends: what happens to a user in Django is told to the platform's revocations.

Told once it is committed: a rolled-back logout closes no socket.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import m2m_changed, post_delete, pre_save
from django.db.transaction import on_commit

from trivet_admin import runtime
from trivet_admin.configuration import SESSION_COOKIE
from trivet_admin.credentials import credential_id

_DECISIVE = ("password", "is_active", "is_staff", "is_superuser")
"""Whoever changes one of these changes what open connections may do."""

_GRANTS = frozenset({"post_add", "post_remove", "post_clear"})


def connect() -> None:
    """Listen. Called once, when the apps are ready."""
    user: Any = get_user_model()
    user_logged_in.connect(_logged_in, dispatch_uid="trivet")
    user_logged_out.connect(_logged_out, dispatch_uid="trivet")
    pre_save.connect(_saving, sender=user, dispatch_uid="trivet")
    post_delete.connect(_deleted, sender=user, dispatch_uid="trivet")
    for through in (user.groups.through, user.user_permissions.through):
        m2m_changed.connect(_granted, sender=through, dispatch_uid=f"trivet {through.__name__}")
    m2m_changed.connect(
        _group_granted, sender=Group.permissions.through, dispatch_uid="trivet group"
    )


def revoke(*, user_id: int | None = None, credential: str | None = None) -> None:
    """Tell the platform, after the commit, that a user or a credential is trusted no more."""
    revocations = runtime.revocations()
    if revocations is not None:
        on_commit(lambda: revocations.revoke(user_id=user_id, credential_id=credential))


def _logged_in(request: Any, **_: Any) -> None:
    """Whoever logs in over a session gets a new key: what the old one opened has to close,
    because the next logout will not name it."""
    old = request.COOKIES.get(SESSION_COOKIE)
    if old and old != request.session.session_key:
        revoke(credential=credential_id(old))


def _logged_out(request: Any, **_: Any) -> None:
    key = request.session.session_key
    if key:
        revoke(credential=credential_id(key))


def _saving(instance: Any, update_fields: Any, raw: bool = False, **_: Any) -> None:
    touched = _DECISIVE if update_fields is None else set(_DECISIVE) & set(update_fields)
    if instance.pk is None or not touched or raw:
        return
    before = type(instance).objects.filter(pk=instance.pk).values(*touched).first()
    if before is not None and any(getattr(instance, name) != before[name] for name in touched):
        revoke(user_id=instance.pk)


def _deleted(instance: Any, **_: Any) -> None:
    revoke(user_id=instance.pk)


def _granted(instance: Any, action: str, reverse: bool, pk_set: Any, **_: Any) -> None:
    if action not in _GRANTS:
        return
    for user_id in (pk_set or ()) if reverse else (instance.pk,):
        revoke(user_id=user_id)


def _group_granted(instance: Any, action: str, reverse: bool, **_: Any) -> None:
    if action in _GRANTS and not reverse:
        for user_id in instance.user_set.values_list("pk", flat=True):
            revoke(user_id=user_id)
