"""A program that takes publications from the outbox as Centrifugo's consumer does, by the same
statements in the same order, and writes what it publishes to a file in place of sockets.

``python -m tests.realtime.centrifugo_consumer URL FILE`` works until nothing is left. With
``--killed-after N`` it kills itself (SIGKILL) when it has published N rows and not deleted the last
one.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.realtime.centrifugo_tables import CONSUMER_DELETE, CONSUMER_LOCK, CONSUMER_QUERY

PARTITIONS = 8
LIMIT = 5


def take(connection: psycopg.Connection, partition: int, publish: Callable[[str], None]) -> int:
    """Publish the next rows of a partition and delete them, in one transaction."""
    with connection.transaction():
        connection.execute(CONSUMER_LOCK, (f"centrifugo_partition_lock_trivet{partition}",))
        rows = connection.execute(CONSUMER_QUERY, (partition, LIMIT)).fetchall()
        for _, method, payload, _ in rows:
            publish(json.dumps({method: payload}))
        if rows:
            connection.execute(CONSUMER_DELETE, ([row[0] for row in rows],))
    return len(rows)


def main(url: str, file: str, limit: float) -> None:
    published = 0
    with psycopg.connect(url, autocommit=True) as connection, Path(file).open("a") as journal:

        def publish(line: str) -> None:
            nonlocal published
            os.write(journal.fileno(), f"{line}\n".encode())  # whole, or not at all
            published += 1
            if published >= limit:
                os.kill(os.getpid(), signal.SIGKILL)

        while True:
            taken = sum(take(connection, each, publish) for each in range(PARTITIONS))
            if not taken and limit == float("inf"):
                return
            time.sleep(0.001 if taken else 0.05)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[4] if len(sys.argv) > 4 else "inf"))
