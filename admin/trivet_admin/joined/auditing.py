"""The rows of joined applications in the audit trail, with what they were and what they are."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from trivet.audit.entry import Entry, Field, encode_changes, plain
from trivet.events.feeds import Kind
from trivet.models.row_keys import key_text
from trivet_admin import runtime
from trivet_admin.backends.observers import Ends
from trivet_admin.backends.row_observer import Listener, Rows


def notes_of_rows(model: Any, redacted: Collection[str], ignored: Collection[str]) -> Listener:
    """Notes what became of each row of `model`; of the columns `redacted` that they have changed,
    and nothing of those that are `ignored`."""
    return Listener(_is_on, partial(_note_rows, model, redacted, ignored))


def notes_of_links(relation: Any) -> Listener:
    """Notes the keys that a many-to-many field has been given, or has lost."""
    return Listener(_is_on, partial(_note_links, relation))


def _is_on() -> bool:
    return runtime.capture().audit is not None


def _note_rows(
    model: Any, redacted: Collection[str], ignored: Collection[str], before: Rows, after: Rows
) -> None:
    for key, kind in kinds_of(before, after):
        was, now = before.get(key, {}), after.get(key, {})
        changes = {
            name: {"redacted": True} if name in redacted else field
            for name, field in _fields(was, now, kind)
            if name not in ignored
        }
        if changes or kind != "update":
            _note(model, key, kind, changes)


def kinds_of(before: Rows, after: Rows) -> Iterator[tuple[Any, Kind]]:
    """The key of each row that differs, with what became of it."""
    for key in before | after:
        yield key, "insert" if key not in before else "update" if key in after else "delete"


def _fields(
    was: Mapping[str, Any], now: Mapping[str, Any], kind: Kind
) -> Iterator[tuple[str, Field]]:
    for name in was or now:
        old, new = was.get(name), now.get(name)
        if old == new:
            continue
        if kind == "update":
            yield name, {"from": plain(old), "to": plain(new)}
        else:
            yield name, {"to": plain(new)} if kind == "insert" else {"from": plain(old)}


def _note_links(relation: Any, taken: Ends, given: Ends) -> None:
    changes: dict[Any, Field] = defaultdict(dict)
    for verb, ends in (("added", given), ("removed", taken)):
        for owner, target in ends:
            changes[owner].setdefault(verb, []).append(key_text([target]))
    for owner in sorted(changes, key=str):
        field = {verb: sorted(keys) for verb, keys in changes[owner].items()}
        _note(relation.model, owner, "update", {relation.name: field})


def _note(model: Any, key: Any, kind: Kind, changes: Mapping[str, Field]) -> None:
    """Add an entry to the unit of the transaction."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    row_key = key_text(key if isinstance(key, tuple) else [key])
    entry = Entry(model._meta.db_table, row_key, kind, encode_changes(changes))
    connection.session.recorder.note(entry)
