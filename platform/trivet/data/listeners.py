"""Every SQLAlchemy listener of the product, with the promise of each, in the order in which they
run.

The order of the lines is the order of the events in the life of a unit of work; of two lines for
one event the upper one runs first. The list is bound when `trivet.data` is imported, so no session
of ours works without it. The lines of `SQLITE` and `POSTGRESQL` are bound to each engine that
`trivet.data.engine` makes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sqlalchemy import Engine, event
from sqlalchemy.orm import Mapper

from trivet.data import (
    bounds,
    documents,
    flush,
    judging,
    outages,
    postgresql,
    single_inserts,
    sqlite,
    statement_guard,
    strangers,
    tenant_setting,
    validators,
    violations,
)
from trivet.data.bulk import direct, rows, updates
from trivet.data.session import TrivetSession
from trivet.identity import key_grants
from trivet.models import mapped, versioned
from trivet_settings.values import Pooler

Part = Literal["dialect", "memory", "pooler"]


@dataclass(frozen=True, slots=True)
class With:
    """A listener whose first argument is a part of its engine: the dialect, the memory of outages,
    or the pooler that the settings name."""

    part: Part
    function: Callable[..., Any]


Kind = Literal["sqlite", "postgresql"]
Target = type[Any] | Kind
SQLITE: Kind = "sqlite"
POSTGRESQL: Kind = "postgresql"


def listen_to_documents(mapper: Mapper[Any], _class: type[Any]) -> None:
    """Have the sessions keep the documents of a class, if it has any."""
    if documents.attributes_of(mapper):
        for name in ("load", "refresh"):
            event.listen(mapper, name, flush.keep_loaded_documents)


# fmt: off
LISTENERS: tuple[tuple[Target, str, Any], ...] = (
    # A class is mapped, on whatever base.
    (Mapper, "instrument_class", versioned.keep_version),  # its own arguments hide the mixin's
    (Mapper, "after_mapper_constructed", mapped.note_mapper),  # guards know its table too

    # A class is configured.
    (Mapper, "before_mapper_configured", validators.wrap_validators),  # refusals are no bugs

    (Mapper, "mapper_configured", listen_to_documents),  # a change inside one is not lost

    # A connection is made, and taken from the pool.
    (SQLITE, "connect", sqlite.prepare_connection),  # WAL, a busy timeout, foreign keys, words
    (POSTGRESQL, "connect", postgresql.use_utc),  # whatever the server's zone is
    (POSTGRESQL, "connect", With("pooler", postgresql.prepare_session)),  # a limit of time
    (POSTGRESQL, "checkout", With("dialect", postgresql.ping_idle)),  # an idle one is tried first
    (POSTGRESQL, "engine_connect", postgresql.forget_mode_of_engine),  # a chosen level counts
    (POSTGRESQL, "set_connection_execution_options", postgresql.forget_mode),  # here too

    # A transaction begins.
    (SQLITE, "begin", sqlite.begin),  # IMMEDIATE to write, plain to read
    (POSTGRESQL, "begin", postgresql.choose_mode),  # a snapshot to read, none for one query
    (TrivetSession, "after_begin", statement_guard.bind_session),  # it knows whose it is
    (TrivetSession, "after_begin", tenant_setting.tell_tenants),  # PostgreSQL, whose rows it shows
    (TrivetSession, "after_transaction_create", flush.mark_savepoint),  # its captures can be cut

    # A statement is sent.
    (TrivetSession, "do_orm_execute", flush.lock_what_goes_along),  # nobody adds to it meanwhile
    (TrivetSession, "do_orm_execute", rows.write_rows),  # many rows, seen as in a flush
    (TrivetSession, "do_orm_execute", flush.refuse_bulk_writes),  # no flush would see them
    (Engine, "before_cursor_execute", statement_guard.judge_statement),  # nor raw writes
    (Engine, "handle_error", violations.note_violation),  # it is found out what was refused
    (Engine, "handle_error", statement_guard.mark_refusal),  # a reader's own fault is no outage
    (SQLITE, "handle_error", With("memory", outages.throw_away)),  # it stays read-only
    (POSTGRESQL, "handle_error", With("memory", outages.throw_away)),  # another server may write
    (POSTGRESQL, "do_executemany", updates.execute_at_once),  # many rows at once

    # A flush: before anything is written.
    (TrivetSession, "before_flush", flush.refuse_writes_when_reading),  # a reader changes nothing
    (TrivetSession, "before_flush", flush.take_links_along),  # the database would cut them
    (TrivetSession, "before_flush", flush.see_assigned_documents),  # old values are as they were
    (TrivetSession, "before_flush", flush.load_what_feeds_read),  # a feed may not ask
    (TrivetSession, "before_flush", judging.fill_tenants),  # a row that names none has its writer's
    (TrivetSession, "before_flush", judging.judge_flush),  # rules are asked, or nothing is written
    (TrivetSession, "before_flush", key_grants.judge_keys),  # no key gives more than its maker has

    # A flush: each row, of every mapped class whatever its base, and what it made of them.
    (Mapper, "before_insert", bounds.fit_insert),  # what is stored is what was set, or refused
    (Mapper, "before_update", bounds.fit_update),
    (Mapper, "before_insert", judging.judge_insert),  # rules, if the flush made a row another
    (Mapper, "before_update", judging.judge_update),  # here too
    (Mapper, "before_delete", judging.judge_delete),  # and of an orphan
    (Mapper, "before_insert", flush.refuse_half_captured),  # a class the start did not see
    (Mapper, "before_update", flush.refuse_half_captured),
    (Mapper, "before_delete", flush.refuse_half_captured),
    (Mapper, "before_update", flush.refuse_unseen_updates),  # a key that the database would pass on
    (Mapper, "before_delete", flush.refuse_unseen_deletes),
    (Mapper, "before_update", flush.remember_updated_row),  # no change without its old value
    (Mapper, "before_delete", flush.remember_deleted_row),  # nor a deletion
    (Mapper, "after_insert", bounds.fit_inserted),  # defaults too
    (Mapper, "after_update", bounds.fit_updated),  # and what an expression gave
    (TrivetSession, "after_flush", flush.keep_written_documents),  # as they are now
    (TrivetSession, "after_flush", flush.capture_changes),  # feeds run, entries are noted

    # A savepoint or a transaction ends.
    (TrivetSession, "before_commit", flush.refuse_sealed_commit),  # a service does not commit
    (TrivetSession, "before_commit", flush.write_captured),  # told in the transaction of the change
    (Engine, "commit", statement_guard.refuse_sealed_commit),  # not by the connection either
    (POSTGRESQL, "commit", postgresql.require_intact),  # a swallowed error is no success
    (Engine, "rollback", statement_guard.refuse_sealed_rollback),  # nor does a service roll back
    (TrivetSession, "after_soft_rollback", flush.cut_savepoint),  # what it captured did not happen
    (TrivetSession, "after_soft_rollback", tenant_setting.tell_after_savepoint),  # rows as before
    (TrivetSession, "after_transaction_end", flush.forget_transaction),  # nothing outlives it
    (TrivetSession, "after_transaction_end", tenant_setting.forget_told),  # nor what was told

    # A connection goes back to the pool.
    (SQLITE, "reset", sqlite.end_what_is_open),  # also after a refused COMMIT
    (POSTGRESQL, "checkin", tenant_setting.forget_opening),  # what did not begin is nobody else's
    (POSTGRESQL, "checkin", postgresql.note_use),  # so that an idle one is known
)
# fmt: on


def listen_everywhere() -> None:
    """Bind the lines whose target is a class."""
    for target, name, function in LISTENERS:
        if isinstance(target, type):
            event.listen(target, name, function)
    strangers.OURS.update(
        name for target, name, _ in LISTENERS if target in (Mapper, TrivetSession)
    )
    updates.update_together(direct.update_many)
    single_inserts.insert_directly(direct.insert_many)


def listen_to_engine(engine: Engine, memory: outages.OutageMemory, pooler: Pooler) -> None:
    """Bind the lines of the kind of database that `engine` is for. Its outages go to `memory`;
    `pooler` is what stands in front of it."""
    parts: dict[Part, Any] = {"dialect": engine.dialect, "memory": memory, "pooler": pooler}
    for target, name, function in LISTENERS:
        if target == engine.dialect.name:
            bound = function
            if isinstance(function, With):
                bound = partial(function.function, parts[function.part])
            event.listen(engine, name, bound)


def listen_to_many(engine: Engine) -> None:
    """Bind the lines about many rows to an engine whose connections are somebody else's."""
    for target, name, function in LISTENERS:
        if target == engine.dialect.name and name == "do_executemany":
            event.listen(engine, name, function)


listen_everywhere()
