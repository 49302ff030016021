"""Users and groups in the audit trail: they are Django's, and no flush ever sees them.

Django's signals tell of `save()`, `delete()` and of groups and permissions given or taken,
which is every write of Django's admin, of login and of our commands. They do not tell of
`QuerySet.update()` and `bulk_create()`: for users `UserQuerySet` does, for groups nobody.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.db.transaction import atomic

from trivet.audit.entry import Entry, Field, encode_changes, key_of
from trivet.events.feeds import Kind
from trivet_admin import runtime

REDACTED = frozenset({"password"})
IGNORED = frozenset({"last_login"})
"""Every login writes it. The access log has the logins."""

_BEFORE = "_trivet_audited"
"""Where an object keeps, between two signals, what its row held."""


def connect() -> None:
    """Listen. Called once, when the apps are ready."""
    user: Any = get_user_model()
    for model in (user, Group):
        name = f"trivet audit {model.__name__}"
        pre_save.connect(_saving, sender=model, dispatch_uid=name)
        post_save.connect(_saved, sender=model, dispatch_uid=name)
        post_delete.connect(_deleted, sender=model, dispatch_uid=name)
    relations = {
        user.groups.through: "groups",
        user.user_permissions.through: "user_permissions",
        Group.permissions.through: "permissions",
    }
    for through, field in relations.items():
        m2m_changed.connect(
            _links_changed(field), sender=through, weak=False, dispatch_uid=f"trivet audit {field}"
        )


def read_rows(model: Any, chosen: Any) -> dict[Any, dict[str, Any]]:
    """What the rows of the queryset `chosen` hold, by their keys."""
    names = [f.attname for f in model._meta.concrete_fields if f.attname not in IGNORED]
    return {row[model._meta.pk.attname]: row for row in chosen.order_by("pk").values(*names)}


def note_updated(model: Any, before: dict[Any, dict[str, Any]]) -> None:
    """Note what became of rows that held `before`."""
    now = read_rows(model, model._base_manager.filter(pk__in=list(before)))  # noqa: SLF001  # as below
    for key, row in now.items():
        _note_change(model, key, before[key], row)


def note_created(instances: Iterable[Any]) -> None:
    """Note users that were created past the signals."""
    for instance in instances:
        _note_creation(instance, _values(instance))


def _saving(instance: Any, raw: bool = False, **_: Any) -> None:
    if instance.pk is not None and not raw:
        names = list(_values(instance))
        before = type(instance)._base_manager.filter(pk=instance.pk).values(*names).first()  # noqa: SLF001  # public by Django's documents
        setattr(instance, _BEFORE, before)


def _saved(instance: Any, created: bool, update_fields: Any, raw: bool = False, **_: Any) -> None:
    before = instance.__dict__.pop(_BEFORE, None) or {}
    if raw:
        return
    written = _values(instance)
    if update_fields is not None:
        written = {name: written[name] for name in written if name in update_fields}
    if created:
        _note_creation(instance, written)
    else:
        _note_change(type(instance), instance.pk, before, written)


def _deleted(instance: Any, **_: Any) -> None:
    values = {name: value for name, value in _values(instance).items() if value is not None}
    changes = {n: _field(n, **{"from": v}) for n, v in values.items()}
    _note(type(instance), instance.pk, "delete", changes)


def _note_creation(instance: Any, written: dict[str, Any]) -> None:
    changes = {n: _field(n, to=v) for n, v in written.items() if v is not None}
    _note(type(instance), instance.pk, "insert", changes)


def _note_change(model: Any, key: Any, before: dict[str, Any], now: dict[str, Any]) -> None:
    changed = {n: v for n, v in now.items() if n in before and before[n] != v}
    if changed:
        changes = {n: _field(n, **{"from": before[n], "to": v}) for n, v in changed.items()}
        _note(model, key, "update", changes)


def _links_changed(field: str) -> Callable[..., None]:
    """A receiver for the relation `field`, whichever of its ends is changed."""

    def receive(
        instance: Any, action: str, reverse: bool, model: Any, pk_set: Any, **_: Any
    ) -> None:
        if action == "pre_clear":
            manager = _manager(instance, field, reverse=reverse)
            pk_set, action = set(manager.values_list("pk", flat=True)), "post_remove"
        if not pk_set or action not in ("post_add", "post_remove"):
            return
        verb = "added" if action == "post_add" else "removed"
        others = list(model._base_manager.filter(pk__in=pk_set))  # noqa: SLF001  # as above
        pairs = [(other, [instance]) for other in others] if reverse else [(instance, others)]
        for owner, linked in pairs:
            changes: dict[str, Field] = {field: {verb: sorted(map(_name, linked))}}
            _note(type(owner), owner.pk, "update", changes)

    return receive


def _manager(instance: Any, field: str, *, reverse: bool) -> Any:
    if not reverse:
        return getattr(instance, field)
    owner: Any = get_user_model() if field != "permissions" else Group
    return getattr(instance, owner._meta.get_field(field).remote_field.get_accessor_name())


def _name(linked: Any) -> str:
    """What a permission is called where it is asked for; of all else what people see."""
    if isinstance(linked, Permission):
        return f"{linked.content_type.app_label}.{linked.codename}"
    return str(linked)


def _values(instance: Any) -> dict[str, Any]:
    loaded = instance.__dict__
    names = (field.attname for field in instance._meta.concrete_fields)
    return {name: loaded[name] for name in names if name in loaded and name not in IGNORED}


def _field(name: str, **ends: Any) -> Field:
    return {"redacted": True} if name in REDACTED else ends


def _note(model: Any, key: Any, kind: Kind, changes: dict[str, Field]) -> None:
    """Add an entry to the unit of the transaction; outside of one, to one of its own."""
    if runtime.audit() is None:
        return
    entry = Entry(model._meta.db_table, key_of([key]), kind, encode_changes(changes))
    connection: Any = connections[DEFAULT_DB_ALIAS]
    with atomic(savepoint=False):
        connection.session.pending.append(entry)
