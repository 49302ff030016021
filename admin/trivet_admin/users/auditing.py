"""Users and groups in the audit trail: they are Django's, and no flush ever sees them.

Whatever of Django's writes them passes an `Observer`: ``save()`` and ``delete()``, ``update()``,
``bulk_create()`` and ``bulk_update()``, groups and permissions that are given or taken, one by
one, in bulk or with what is deleted. A statement past Django's ORM is refused
(`trivet_admin.backends.guard`, `trivet.session`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections

from trivet.audit.entry import Entry, Field, encode_changes, key_of
from trivet.events.feeds import Kind
from trivet_admin.backends.observing import Insert, Observer, Rows, observe

REDACTED = frozenset({"password"})
IGNORED = frozenset({"last_login"})
"""Every login writes it. The access log has the logins."""


def connect() -> None:
    """Observe. Called once, when the apps are ready."""
    user: Any = get_user_model()
    observe(RowObserver(user, IGNORED))
    observe(RowObserver(Group))
    for owner, field in ((user, "groups"), (user, "user_permissions"), (Group, "permissions")):
        observe(LinkObserver(owner, field))


class RowObserver(Observer):
    """Notes what became of each row."""

    def insert(self, compiler: Any, returning: Sequence[Any], write: Insert) -> list[Any]:
        """Raises NotSupportedError for conflicts that are to be passed over: who then was
        created, and who was changed, nobody could say."""
        if compiler.query.on_conflict is not None:
            raise NotSupportedError(
                f"{self.model._meta.verbose_name_plural} are created in bulk without "
                "ignore_conflicts and update_conflicts, for the audit trail has to know what "
                "became of each; save them one by one"
            )
        rows = write([*returning, self.model._meta.pk])
        self.changed({}, self.read_keys([row[-1] for row in rows]))
        return [row[:-1] for row in rows] if returning else []

    def changed(self, before: Rows, after: Rows) -> None:
        for key in before | after:
            was, now = before.get(key), after.get(key)
            fields = dict(_fields(was or {}, now or {}))
            if fields or was is None or now is None:
                kind: Kind = "insert" if was is None else "delete" if now is None else "update"
                _note(self.model, key, kind, fields)


class LinkObserver(Observer):
    """Notes what is given to an object of `owner`, or taken from it, by its relation `field`,
    whichever of its ends is in hand."""

    def __init__(self, owner: Any, field: str) -> None:
        relation = owner._meta.get_field(field)
        through = relation.remote_field.through
        super().__init__(through)
        self._owner, self._field, self._given = owner, field, relation.related_model
        self._source = through._meta.get_field(relation.m2m_field_name()).attname
        self._target = through._meta.get_field(relation.m2m_reverse_field_name()).attname

    def insert(self, compiler: Any, returning: Sequence[Any], write: Insert) -> list[Any]:
        """What was linked already is passed over, as Django's relations do."""
        wanted = {self._ends(vars(each)) for each in compiler.query.objs}
        before = self._between(wanted)
        rows = write(returning)
        self.changed(before, self._between(wanted))
        return rows

    def changed(self, before: Rows, after: Rows) -> None:
        was, now = ({self._ends(row) for row in rows.values()} for rows in (before, after))
        names = self._names_of({target for _, target in was ^ now})
        changes: dict[Any, Field] = defaultdict(dict)
        for verb, ends in (("added", now - was), ("removed", was - now)):
            for owner, target in ends:
                changes[owner].setdefault(verb, []).append(names.get(target, str(target)))
        for owner in sorted(changes):
            field = {verb: sorted(given) for verb, given in changes[owner].items()}
            _note(self._owner, owner, "update", {self._field: field})

    def _ends(self, row: Mapping[str, Any]) -> tuple[Any, Any]:
        return row[self._source], row[self._target]

    def _between(self, wanted: set[tuple[Any, Any]]) -> Rows:
        sources, targets = ({ends[side] for ends in wanted} for side in (0, 1))
        found = self.read(**{f"{self._source}__in": sources, f"{self._target}__in": targets})
        return {key: row for key, row in found.items() if self._ends(row) in wanted}

    def _names_of(self, keys: set[Any]) -> dict[Any, str]:
        found = self._given._base_manager.filter(pk__in=keys)  # noqa: SLF001  # as in `read`
        if self._given is Permission:
            found = found.select_related("content_type")
        return {each.pk: _name(each) for each in found}


def _name(linked: Any) -> str:
    """What a permission is called where it is asked for; of all else what people see."""
    if isinstance(linked, Permission):
        return f"{linked.content_type.app_label}.{linked.codename}"
    return str(linked)


def _fields(was: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, Field]]:
    """What differs; of a new row what is not null, of one that is gone what was not."""
    for name in was | now:
        ends = {"from": was.get(name), "to": now.get(name)}
        if ends["from"] != ends["to"]:
            present = {
                end: value for end, value in ends.items() if (was and now) or value is not None
            }
            yield name, {"redacted": True} if name in REDACTED else present


def _note(model: Any, key: Any, kind: Kind, changes: Mapping[str, Field]) -> None:
    """Add an entry to the unit of the transaction."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    entry = Entry(model._meta.db_table, key_of([key]), kind, encode_changes(changes))
    connection.session.pending.append(entry)
