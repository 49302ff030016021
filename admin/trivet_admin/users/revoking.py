"""Trust that ends: what happens to a user in Django is told to the platform's revocations.

Told once it is committed: a rolled-back logout closes no socket. The end of a session is
told by `trivet_admin.session_store`, the end of a key by whoever revokes it.

| what changes | what is lost |
|---|---|
| the user is disabled or deleted | trust: sessions, keys, sockets |
| the password | trust in the user's sessions; keys go on |
| staff, superuser, permissions, groups and what they grant, name, address | certainty: read again |

`QuerySet.update()` sends no signal in Django. For users it is told all the same (`UserQuerySet`).
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.db.transaction import on_commit

from trivet.identity import Loss
from trivet.identity.identity import Kind
from trivet_admin import runtime

_TRUST = ("password", "is_active")
_HARMLESS = frozenset({"last_login"})
_BEFORE = "_trivet_before"
"""Where a user that is being saved keeps what stood in its row."""

_AFTER_CHANGE = frozenset({"post_add", "post_remove"})


def connect() -> None:
    """Listen. Called once, when the apps are ready."""
    user: Any = get_user_model()
    pre_save.connect(_saving, sender=user, dispatch_uid="trivet")
    post_save.connect(_saved, sender=user, dispatch_uid="trivet")
    post_delete.connect(_deleted, sender=user, dispatch_uid="trivet")
    for through in (user.groups.through, user.user_permissions.through):
        m2m_changed.connect(_granted, sender=through, dispatch_uid=f"trivet {through.__name__}")
    m2m_changed.connect(
        _group_granted, sender=Group.permissions.through, dispatch_uid="trivet group"
    )
    pre_delete.connect(_group_deleting, sender=Group, dispatch_uid="trivet")
    pre_delete.connect(_permission_deleting, sender=Permission, dispatch_uid="trivet")


def revoke(
    *,
    user_id: int | None = None,
    credential: str | None = None,
    kind: Kind | None = None,
    loss: Loss = Loss.TRUST,
) -> None:
    """Tell the platform, after the commit, that a user or a credential is trusted no more."""
    revocations = runtime.revocations()
    if revocations is not None:
        on_commit(
            lambda: revocations.revoke(
                user_id=user_id, credential_id=credential, kind=kind, loss=loss
            )
        )


def users_changed(user_ids: Iterable[int], changed: frozenset[str] | set[str]) -> None:
    """Tell what users lose whose columns `changed`."""
    for user_id in user_ids:
        if "is_active" in changed:
            revoke(user_id=user_id)
        elif "password" in changed:
            revoke(user_id=user_id, kind="session")
        if changed - _HARMLESS - set(_TRUST):
            revoke(user_id=user_id, loss=Loss.GRANTS)


def _saving(instance: Any, update_fields: Any, raw: bool = False, **_: Any) -> None:
    touched = set(_TRUST) if update_fields is None else set(_TRUST) & set(update_fields)
    before = None
    if instance.pk is not None and touched and not raw:
        before = type(instance).objects.filter(pk=instance.pk).values(*touched).first()
    setattr(instance, _BEFORE, before or {})


def _saved(instance: Any, created: bool, update_fields: Any, **_: Any) -> None:
    before = instance.__dict__.pop(_BEFORE, {})
    if created:
        return
    changed = {name for name, value in before.items() if getattr(instance, name) != value}
    others = {field.name for field in instance._meta.concrete_fields} - set(_TRUST)
    changed |= others if update_fields is None else others & set(update_fields)
    users_changed([instance.pk], changed)


def _deleted(instance: Any, **_: Any) -> None:
    revoke(user_id=instance.pk)


def _granted(instance: Any, action: str, reverse: bool, pk_set: Any, **_: Any) -> None:
    """A user's own groups or permissions; `reverse`: the users of a group or permission."""
    if not reverse and action in {*_AFTER_CHANGE, "post_clear"}:
        _uncertain([instance.pk])
    elif reverse and action in _AFTER_CHANGE:
        _uncertain(pk_set)
    elif reverse and action == "pre_clear":  # afterwards nobody knows who they were
        _uncertain(instance.user_set.values_list("pk", flat=True))


def _group_granted(instance: Any, action: str, reverse: bool, pk_set: Any, **_: Any) -> None:
    """A group's permissions; `reverse`: the groups of a permission."""
    if not reverse and action in {*_AFTER_CHANGE, "post_clear"}:
        _members_uncertain([instance.pk])
    elif reverse and action in _AFTER_CHANGE:
        _members_uncertain(pk_set)
    elif reverse and action == "pre_clear":
        _members_uncertain(list(instance.group_set.values_list("pk", flat=True)))


def _group_deleting(instance: Any, **_: Any) -> None:
    _members_uncertain([instance.pk])


def _permission_deleting(instance: Any, **_: Any) -> None:
    _uncertain(instance.user_set.values_list("pk", flat=True))
    _members_uncertain(list(instance.group_set.values_list("pk", flat=True)))


def _members_uncertain(group_ids: Iterable[int]) -> None:
    users: Any = get_user_model().objects
    _uncertain(users.filter(groups__in=group_ids).values_list("pk", flat=True).distinct())


def _uncertain(user_ids: Iterable[int]) -> None:
    for user_id in user_ids:
        revoke(user_id=user_id, loss=Loss.GRANTS)
