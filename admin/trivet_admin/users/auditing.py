"""Users and groups in the audit trail: they are Django's, and no flush ever sees them.

Whatever of Django's writes them is observed (`trivet_admin.users.observers`): ``save()`` and
``delete()``, ``update()``, ``bulk_create()`` and ``bulk_update()``, groups and permissions that
are given or taken, one by one, in bulk or with what is deleted. A statement past Django's ORM
is refused (`trivet_admin.backends.guard`, `trivet.data.statement_guard`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django.contrib.auth.models import Permission
from django.db import DEFAULT_DB_ALIAS, connections

from trivet.audit.entry import Entry, Field, encode_changes
from trivet.events.feeds import Kind
from trivet.models.row_keys import key_text
from trivet_admin import runtime
from trivet_admin.backends.observers import Ends
from trivet_admin.backends.row_observer import Listener, Rows

REDACTED = frozenset({"password"})


def notes_of_rows(model: Any) -> Listener:
    """Notes what became of each row of `model`."""
    return Listener(_is_on, partial(_note_rows, model))


def notes_of_links(relation: Any) -> Listener:
    """Notes what is given by `relation` to an object that has it, or taken from it."""
    return Listener(_is_on, partial(_note_links, relation))


def _is_on() -> bool:
    return runtime.capture().audit is not None


def _note_rows(model: Any, before: Rows, after: Rows) -> None:
    for key in before | after:
        was, now = before.get(key), after.get(key)
        kind: Kind = "insert" if was is None else "delete" if now is None else "update"
        _note(model, key, kind, dict(_fields(was or {}, now or {})))


def _note_links(relation: Any, taken: Ends, given: Ends) -> None:
    names = _names_of(relation.related_model, {target for _, target in taken | given})
    changes: dict[Any, Field] = defaultdict(dict)
    for verb, ends in (("added", given), ("removed", taken)):
        for owner, target in ends:
            changes[owner].setdefault(verb, []).append(names.get(target, str(target)))
    for owner in sorted(changes):
        field = {verb: sorted(linked) for verb, linked in changes[owner].items()}
        _note(relation.model, owner, "update", {relation.name: field})


def _names_of(model: Any, keys: set[Any]) -> dict[Any, str]:
    found = model._base_manager.filter(pk__in=keys)  # noqa: SLF001  # public by Django's documents
    if model is Permission:
        found = found.select_related("content_type")
    return {each.pk: _name(each) for each in found}


def _name(linked: Any) -> str:
    """A permission's name as code asks for it; of any other object the text that people see."""
    if isinstance(linked, Permission):
        return f"{linked.content_type.app_label}.{linked.codename}"
    return str(linked)


def _fields(was: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, Field]]:
    """The differing fields; of a new or a deleted row those that are not null."""
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
    entry = Entry(model._meta.db_table, key_text([key]), kind, encode_changes(changes))
    connection.session.recorder.note(entry)
