"""One replica: its connections for the event loop, and whether it is used at the moment."""

import logging
import time
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.util import await_only

from trivet.data.engine import Engines
from trivet.data.outages import READ_ONLY, Outage, OutageMemory, find_outage
from trivet.data.postgresql import choose_mode
from trivet.data.replicas.position import WalPosition
from trivet.data.replicas.server import LOOK, ServerState
from trivet.observation import Observers
from trivet_settings.database_url import DatabaseUrl
from trivet_settings.values import Pooler

logger = logging.getLogger(__name__)

POOL_SECONDS = 1.0
"""How long a reader waits for a connection to a replica; the primary may have one free."""
FAILED_SECONDS = 2.0
"""How long a replica that failed a reader is passed over at least, whatever a look finds."""

NOT_ASKED = "not asked yet"
NO_STANDBY = "is no standby"
PAUSED = "is paused"


class Replica:
    """A replica, which a reader may be sent to as long as it has no `state`.

    Args:
        address: Its address, as the settings have it.
        connections: The bound of the pool.
        observers: The listeners for waits for connections.
        pooler: The kind of pooler that stands in front of it.
        statement_seconds: The limit of a statement.

    Attributes:
        name: Its host and port, for the log.
        state: The reason why it is passed over; empty if it is used.
        position: Up to where it had replayed when somebody asked last.
    """

    def __init__(
        self,
        address: str,
        *,
        connections: int,
        observers: Observers,
        pooler: Pooler,
        statement_seconds: float | None,
    ) -> None:
        self.address = address
        self.url = DatabaseUrl.parse(address)
        self.name = self.url.server
        self.state = NOT_ASKED
        self.position: WalPosition | None = None
        self._failed_until = 0.0
        self._engines = Engines(
            address,
            connections=connections,
            timeout=POOL_SECONDS,
            observers=observers,
            pooler=pooler,
            statement_seconds=statement_seconds,
            memory=_Failures(self),
            pool_name="replica",
        )

    @property
    def is_usable(self) -> bool:
        return not self.state

    def covers(self, position: WalPosition) -> bool:
        """Whether it probably shows what was committed at `position`."""
        return self.position is not None and self.position.covers(position)

    def connect(
        self, position: WalPosition | None, *, single_query: bool, within: bool = False
    ) -> Connection | None:
        """A connection that shows everything up to `position`; None if there is none now. A single
        query has a transaction around it with `within`.

        The transaction of a snapshot has begun on it, so that a connection which is lost is found
        before anybody has read. Call it in a greenlet of SQLAlchemy's.
        """
        engine = self._engines.single_query if single_query else self._engines.reading
        if single_query and within:
            engine = self._engines.single_query_within
        try:
            connection = engine.sync_engine.connect()
        except PoolTimeoutError:
            return None  # others are using all of them
        except DBAPIError as error:
            self.fail(error)
            return None
        try:
            if self._begin(connection, position):
                return connection
        except engine.dialect.loaded_dbapi.Error as error:
            connection.invalidate(error)
            self.fail(error)
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def _begin(self, connection: Connection, position: WalPosition | None) -> bool:
        """Begin to read, if `connection` has all up to `position`."""
        driver: Any = connection.connection.driver_connection  # a LimitedAsyncConnection
        is_there = position is None or driver.has_replayed(position)
        # Asked before the transaction: in it, its snapshot might be older than the answer.
        if position is not None and not is_there:
            is_there = self.accept(driver, _ask(connection), position)
        if not is_there:
            return False
        choose_mode(connection)
        await_only(driver.begin())
        return True

    def accept(self, driver: Any, state: ServerState, position: WalPosition) -> bool:
        """Take in what the server behind the connection `driver` has said of itself, and return
        whether it shows `position`."""
        if not state.is_standby:
            self.pass_over(NO_STANDBY)
            return False
        driver.replayed = self.position = state.position
        return state.position is not None and state.position.covers(position)

    def fail(self, error: BaseException) -> None:
        """Pass the replica over for a while, because it has failed a reader."""
        self._failed_until = time.monotonic() + FAILED_SECONDS
        self.pass_over(name_fault(error))

    def pass_over(self, state: str) -> None:
        """Send no reader to it, for the reason `state`."""
        if self.state != state:
            self.state = state
            logger.warning("the replica %s is passed over: %s", self.name, state)

    def take_back(self) -> None:
        """Send readers to it again."""
        if self.state and time.monotonic() >= self._failed_until:
            self.state = ""
            logger.info("the replica %s is read from", self.name)

    async def close(self) -> None:
        """Close every connection."""
        await self._engines.close()


def name_fault(error: BaseException) -> str:
    """The state of a server that failed with `error`."""
    outage = find_outage(error)
    if outage is not None:
        return outage.state
    return type(getattr(error, "orig", None) or error).__name__


class _Failures(OutageMemory):
    """What statements on a replica meet. Of the primary it says nothing."""

    def __init__(self, replica: Replica) -> None:
        super().__init__()
        self._replica = replica

    def note(self, outage: Outage) -> None:
        if outage.spoils and outage is not READ_ONLY:  # which it always is
            self._replica.pass_over(outage.state)


def _ask(connection: Connection) -> ServerState:
    """Ask the server by a statement of its own, outside of any transaction."""
    dbapi: Any = connection.connection.dbapi_connection
    was_autocommit = dbapi.autocommit
    dbapi.autocommit = True
    try:
        cursor = dbapi.cursor()
        cursor.execute(LOOK)
        (row,) = cursor.fetchall()
        cursor.close()
    finally:
        dbapi.autocommit = was_autocommit
    return ServerState.read(row)
