"""The way of one unit of work that only reads to its connection."""

from sqlalchemy import Connection
from sqlalchemy.util import await_only

from trivet.data.replicas.client import ClientPosition
from trivet.data.replicas.replica import Replica
from trivet.data.replicas.router import Replicas


class ReplicaReads:
    """Finds a replica for a unit that serves `client`."""

    def __init__(self, replicas: Replicas, client: ClientPosition) -> None:
        self._replicas = replicas
        self._client = client

    async def choose(self) -> Replica | None:
        """A replica for Django, whose connection is made on a thread; None for the primary."""
        return await self._replicas.choose(self._client)

    def connect(self, *, single_query: bool, within: bool = False) -> Connection | None:
        """A connection that shows everything that the client has to see; None if the primary is
        the place to read. Call it in a greenlet of SQLAlchemy's."""
        tried: set[Replica] = set()
        while (replica := await_only(self._replicas.choose(self._client, tried))) is not None:
            connection = replica.connect(
                self._client.newest, single_query=single_query, within=within
            )
            if connection is not None:
                return connection
            tried.add(replica)
        return None
