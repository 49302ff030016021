"""What an idle connection takes of a worker's memory: `trivet serve`, two subscriptions each."""

import uvloop

from benchmarks.database import SharedDatabase
from benchmarks.fanout import Counter, hello, listen, one
from benchmarks.servers import RunningServer, trivet

SOCKETS = 15_000
WARM_UP = 200
TWO = hello("parcels:memory", "parcels:more")


def measure(database: SharedDatabase, sockets: int = SOCKETS) -> list[tuple[str, str]]:
    """The rows of a table."""
    with one(trivet(ping_seconds="3600"), database) as server:
        return uvloop.run(_measure(server, sockets))


async def _measure(server: RunningServer, sockets: int) -> list[tuple[str, str]]:
    # What the first connections bring in (code, pools, arenas) is no price of the others.
    ears = await listen(server, WARM_UP, Counter(), TWO)
    before = server.memory_bytes()
    ears += await listen(server, sockets, Counter(), TWO)
    taken = server.memory_bytes() - before
    for ear in ears:
        ear.transport.abort()
    return [("connections", f"{sockets:,}"), ("KiB each", f"{taken / sockets / 1024:.1f}")]
