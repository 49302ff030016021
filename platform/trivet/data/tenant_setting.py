"""The tenants of a transaction's actor, told to PostgreSQL before anything else is asked in it.

Only where a rule has ``row_security=True``. It goes with the BEGIN, in one message
(`trivet.data.postgresql_connection`), so it costs no round trip. A connection on which something
was sent already is told by a statement of its own.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.sql.selectable import SelectBase

from trivet.data.session import TrivetSession
from trivet.identity.identity import Identity
from trivet.rules.registry import RuleRegistry
from trivet.rules.row_security import EVERYTHING, OPEN_EVERYTHING, SETTING, setting_of
from trivet.rules.tenant_changes import ACROSS, TELL, WAS_ACROSS


def opening_of(
    rules: RuleRegistry, actor: Identity | None, driver: Any, dialect: Dialect
) -> Sequence[bytes]:
    """The statements that tell PostgreSQL the tenants of `actor`; none if nobody has to.

    Args:
        rules: The rules of the application.
        actor: Who acts; None is the product itself.
        driver: The connection of psycopg, which knows how to quote.
        dialect: SQLAlchemy's.
    """
    if not rules.tenants.secures:
        return ()
    value, asked = setting_of(rules.tenants.secured, actor)
    if value == EVERYTHING:
        return (OPEN_EVERYTHING.encode(),)
    from psycopg.pq import Escaping  # a process on SQLite does not load it

    array = bytes(Escaping(driver.pgconn).escape_literal(value.encode()))
    if not asked:
        return (_SET % array,)
    found = [_FOUND % (name.encode(), _in_full(each, driver, dialect)) for name, each in asked]
    # The tables that say who has which tenant may be under row security too.
    return OPEN_EVERYTHING.encode(), _SET % (b"(%s::text[]%s)::text" % (array, b"".join(found)))


_SET = b"SELECT set_config('" + SETTING.encode() + b"', %s, true)"
_FOUND = b" || ARRAY(SELECT '%s=' || found.key::text FROM (%s) AS found (key))"


def _in_full(statement: SelectBase, driver: Any, dialect: Dialect) -> bytes:
    """A query with its values in it, because a message of several takes no parameters."""
    from psycopg import AsyncClientCursor, AsyncConnection, ClientCursor

    compiled, values = _compiled(statement, dialect)
    kind: Any = AsyncClientCursor if isinstance(driver, AsyncConnection) else ClientCursor
    text: str = kind(driver).mogrify(str(compiled), values)
    return text.encode()


_Kept = tuple[Any, tuple[str, ...]]
_kept: OrderedDict[Hashable, _Kept] = OrderedDict()
"""What was compiled for each text, with the names of its parameters: a rule says another statement
for each actor, of a text that is nearly always the same, and to compile it costs most of all."""
_MOST_KEPT = 100


def _compiled(statement: SelectBase, dialect: Dialect) -> tuple[Any, dict[str, Any]]:
    """A query in PostgreSQL's words, and the values of its parameters as the driver takes
    them."""
    key = statement._generate_cache_key()  # noqa: SLF001  # there is no public way; pinned by a test
    if key is None or any(each.expanding for each in key.bindparams):
        compiled: Any = statement.compile(
            dialect=dialect, compile_kwargs={"render_postcompile": True}
        )
        return compiled, _bound(compiled, {}, dialect)
    found = _kept.get(key.key)
    if found is None:
        names = tuple(each.key for each in key.bindparams)
        found = _kept[key.key] = statement.compile(dialect=dialect), names
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    compiled, names = found
    given = (each.effective_value for each in key.bindparams)
    return compiled, _bound(compiled, dict(zip(names, given, strict=True)), dialect)


def _bound(compiled: Any, given: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    values: dict[str, Any] = compiled.construct_params(given)
    for name, bind in compiled.binds.items():
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if process is not None and name in values:
            values[name] = process(values[name])
    return values


def tell_tenants(
    session: TrivetSession, transaction: SessionTransaction, connection: Connection
) -> None:
    """Tell PostgreSQL who acts in a transaction that begins. A listener of ``after_begin``."""
    tenants = session.capture.rules.tenants
    if not tenants.secures or transaction.nested or connection.dialect.name != "postgresql":
        return
    session.info[TELL] = partial(_tell, session, connection)
    driver: Any = connection.connection.driver_connection
    if getattr(driver, "find_opening", None) is None or session.info.get(ACROSS):
        _tell(session, connection)  # Django's connection asks by itself, but for the actor


def _tell(session: TrivetSession, connection: Connection) -> None:
    """Tell PostgreSQL what holds now, with the BEGIN if that is still to come."""
    driver: Any = connection.connection.driver_connection
    status = driver.info.transaction_status.name
    if status == "INERROR":
        return  # nothing can be asked any more, until a savepoint is restored
    opening = _opening(session, driver, connection.dialect)
    is_ours = hasattr(driver, "opening") and driver.find_opening is None
    if status == "IDLE" and not driver.autocommit and is_ours:
        driver.opening = opening
    else:
        _send(connection, opening)


def _opening(session: TrivetSession, driver: Any, dialect: Dialect) -> Sequence[bytes]:
    actor = None if session.info.get(ACROSS) else session.actor
    return opening_of(session.capture.rules, actor, driver, dialect)


def _send(connection: Connection, opening: Sequence[bytes]) -> None:
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(b"; ".join(opening))
    finally:
        cursor.close()


def forget_told(session: TrivetSession, transaction: SessionTransaction) -> None:
    """Know no connection when the transaction is over. A listener of ``after_transaction_end``."""
    if transaction.parent is None:
        session.info.pop(TELL, None)


def forget_opening(connection: Any, _record: Any) -> None:
    """Let nothing that was meant for a transaction which did not begin be told in another one. A
    listener of ``checkin``."""
    driver: Any = getattr(connection, "driver_connection", None)
    if getattr(driver, "opening", ()):
        driver.opening = ()


def tell_after_savepoint(session: TrivetSession, previous: SessionTransaction) -> None:
    """Tell again, where a savepoint has brought back what held at its beginning: that may have been
    inside of `across_tenants`. A listener of ``after_soft_rollback``."""
    if previous.nested:
        tell_again(session)


def tell_again(session: TrivetSession) -> None:
    """Tell PostgreSQL what holds now, if it was told something else meanwhile."""
    tell = session.info.get(TELL)
    if tell is not None and WAS_ACROSS in session.info:
        tell()
