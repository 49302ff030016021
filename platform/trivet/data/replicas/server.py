"""What a server of PostgreSQL says about itself, to any user, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trivet.data.replicas.position import WalPosition

LOOK = """
SELECT pg_is_in_recovery(),
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_flush_lsn() END::text,
    CASE WHEN pg_is_in_recovery() THEN greatest(
            (SELECT timeline_id FROM pg_control_checkpoint()),
            (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
            (SELECT received_tli FROM pg_stat_wal_receiver))
        ELSE ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::bigint END,
    CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END,
    (SELECT system_identifier FROM pg_control_system()), current_database()
"""
"""The timeline of a standby is the latest that it is known to follow. Its control file learns of a
new one minutes later; the receiver knows at once, and tells those who may read statistics
(pg_monitor). A timeline that is said too low only keeps readers away."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """The answer to `LOOK`.

    Attributes:
        is_standby: Whether it replays the log of another server.
        is_paused: Whether somebody has paused that.
        position: Up to where it has replayed, or, of a server that writes, flushed.
        database: The cluster that its files are a copy of, and the name of the database.
    """

    is_standby: bool
    is_paused: bool
    position: WalPosition | None
    database: tuple[int, str]

    @classmethod
    def read(cls, row: Sequence[Any]) -> "ServerState":
        is_standby, lsn, timeline, is_paused, cluster, name = row
        position = None if lsn is None else WalPosition.of_server(timeline, lsn)
        return cls(is_standby, is_paused, position, (cluster, name))
