"""The allow-list of Django's own statements.

SQLAlchemy owns the mapped tables, so a statement of Django's reads, controls its transaction
or writes one of Django's own tables, and nothing else. What is not understood is refused: a
list of forbidden things would have to know every disguise of a write (a comment in front, a
CTE that updates, MERGE, COPY, SELECT INTO).

This guards against mistakes, not against malice: raw access to the driver passes it.
"""

from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db import NotSupportedError

from trivet.capture.sql import Statement, read_statement

_MIGRATIONS = "django_migrations"
"""The table of the migration recorder, whose model is in no registry."""

_READS = frozenset({"SELECT", "WITH", "VALUES", "EXPLAIN", "SHOW"})
_CONTROLS = frozenset(
    {"BEGIN", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "DECLARE", "FETCH", "CLOSE"}
)
"""The statements that Django sends through a cursor. Only Django commits by the driver."""
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "INTO"})
_PLAIN_WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})
_LOCKING = frozenset({"FOR", "KEY"})
"""The words before UPDATE in ``FOR UPDATE`` and ``FOR NO KEY UPDATE``, which only lock."""


def require_allowed(sql: Any) -> None:
    """Raise NotSupportedError, with the reason, unless Django may execute `sql`."""
    text = sql if isinstance(sql, str) else sql.as_string(None)
    target = _classify(text)
    if target is None or (target and target in django_tables()):
        return
    reason = (
        f"writes {target}, which is not one of Django's own tables"
        if target
        else "is neither a read, nor transaction control, nor a plain write"
    )
    raise NotSupportedError(
        f"refused, because it {reason}: {text[:200]!r}. Write mapped rows through their mirrored "
        "models or through unit_session(); change the schema in a migration. A table that needs "
        "neither events nor a trail can be that of a Django model of your own"
    )


def writes(sql: Any) -> bool:
    """Whether `sql`, which is allowed, changes rows."""
    return bool(target_of(sql))


def target_of(sql: Any) -> str | None:
    """The table that `sql`, which is allowed, changes; None if it changes nothing."""
    return _classify(sql if isinstance(sql, str) else sql.as_string(None))


@lru_cache(maxsize=4096)
def _classify(sql: str) -> str | None:
    """None for what is harmless, the table's name for a write of it, "" for all else."""
    statement = read_statement(sql.rstrip("; \n\t"))
    words = statement.words
    is_one = words and ";" not in words
    if not is_one or statement.is_opaque or statement.ends_transaction:
        return ""
    if words[0] in _READS or words[0] == "(":
        return "" if _writes_inside(words) else None
    if words[0] in _CONTROLS:
        return None
    if words[0] == "PRAGMA":
        return None if "=" not in words or words[1] == "FOREIGN_KEYS" else ""
    return _target(statement)


def _writes_inside(words: tuple[str, ...]) -> bool:
    """Whether a verb of writing stands anywhere: stricter than the lexer, which looks for its
    place, because a name like this can be quoted."""
    pairs = zip(["", *words], words, strict=False)
    return any(
        word in _WRITES and not (word == "UPDATE" and before in _LOCKING) for before, word in pairs
    )


def _target(statement: Statement) -> str:
    """The table that the statement writes; empty unless it is one plain write. A table with the
    name of a schema before it is not Django's."""
    if len(statement.writes) != 1:
        return ""
    (write,) = statement.writes
    is_plain = write.verb in _PLAIN_WRITES and statement.words[0] == write.verb
    return (write.table or "") if is_plain and not write.is_qualified else ""


class _DjangoTables:
    """The tables of Django's own models, worked out again when there are other models. It is asked
    for each write."""

    def __init__(self) -> None:
        self._models: object = None
        self._tables: frozenset[str] = frozenset()

    def __call__(self) -> frozenset[str]:
        models = apps.get_models(include_auto_created=True)  # the same list until there are others
        if models is not self._models:
            tables = (model._meta.db_table for model in models if model._meta.managed)
            self._models, self._tables = models, frozenset({_MIGRATIONS, *tables})
        return self._tables


django_tables = _DjangoTables()
