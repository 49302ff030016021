"""What Centrifugo makes in a database, and what it reads there, as its sources (6.9.1) have it.

Centrifugo itself cannot be installed for these tests, so its published contract stands here for
it: the names and columns of its tables, what its function for publishing does, and the statements
of its readers. `CENTRIFUGO_SCHEMA` may name the file of its own schema in a checkout
(`internal/pgstreambroker/internal/sql/schema.sql`); then that one is used.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

PREFIX = "cf_binary_stream"
SHARDS = 8

TABLES = f"""
CREATE TABLE {PREFIX} (
    id bigserial, channel text NOT NULL, channel_offset bigint NOT NULL,
    epoch text NOT NULL DEFAULT '', kind smallint NOT NULL DEFAULT 0, data bytea, tags jsonb,
    client_id text, user_id text, conn_info bytea, chan_info bytea, prev_data bytea,
    created_at timestamptz NOT NULL DEFAULT now(), shard_id smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX ON {PREFIX} (channel, epoch, channel_offset) WHERE kind = 0;
CREATE INDEX ON {PREFIX} (shard_id, id);
CREATE TABLE {PREFIX}_meta (
    channel text PRIMARY KEY, top_offset bigint NOT NULL DEFAULT 0,
    epoch text NOT NULL DEFAULT '', history_ttl interval NOT NULL DEFAULT '1 minute',
    history_size integer NOT NULL DEFAULT 100, top_version bigint NOT NULL DEFAULT 0,
    top_version_epoch text NOT NULL DEFAULT '',
    expires_at timestamptz NOT NULL DEFAULT now() + interval '7 days',
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE {PREFIX}_shard_lock (shard_id smallint PRIMARY KEY);
"""

# What it does, in an order of its own: lock the shard, lock or make the channel's row, drop what is
# no newer than the version that is known, raise the offset, write the row, wake the readers.
PUBLISH = f"""
CREATE FUNCTION {PREFIX}_publish(
    p_channel text, p_data bytea, p_tags jsonb DEFAULT NULL,
    p_history_ttl interval DEFAULT NULL, p_history_size integer DEFAULT NULL,
    p_meta_ttl interval DEFAULT NULL, p_version bigint DEFAULT NULL,
    p_version_epoch text DEFAULT NULL, p_idempotency_key text DEFAULT NULL,
    p_idempotency_ttl interval DEFAULT NULL, p_use_delta boolean DEFAULT false,
    p_client_id text DEFAULT NULL, p_user_id text DEFAULT NULL, p_conn_info bytea DEFAULT NULL,
    p_chan_info bytea DEFAULT NULL, p_num_shards integer DEFAULT NULL
) RETURNS TABLE (
    out_result_id bigint, out_channel_offset bigint, out_epoch text, out_suppressed boolean,
    out_suppress_reason text
) LANGUAGE plpgsql AS $$
DECLARE
    shard integer := abs(hashtext(p_channel)::bigint) % p_num_shards;
    known {PREFIX}_meta;
    before bytea;
    number bigint;
BEGIN
    PERFORM 1 FROM {PREFIX}_shard_lock WHERE shard_id = shard FOR UPDATE;
    INSERT INTO {PREFIX}_meta AS meta (channel, top_offset, epoch)
    VALUES (p_channel, 0, substr(md5(random()::text), 1, 8))
    ON CONFLICT (channel) DO UPDATE SET updated_at = meta.updated_at
    RETURNING meta.* INTO known;
    IF p_version > 0 AND known.top_version > 0 AND p_version <= known.top_version
       AND coalesce(p_version_epoch, '') IN ('', known.top_version_epoch) THEN
        RETURN QUERY SELECT NULL::bigint, known.top_offset, known.epoch, true, 'version';
        RETURN;
    END IF;
    IF p_use_delta THEN
        SELECT data INTO before FROM {PREFIX}
        WHERE channel = p_channel AND epoch = known.epoch AND kind = 0
        ORDER BY channel_offset DESC LIMIT 1;
    END IF;
    UPDATE {PREFIX}_meta AS meta SET top_offset = meta.top_offset + 1,
        history_ttl = coalesce(p_history_ttl, meta.history_ttl),
        history_size = coalesce(p_history_size, meta.history_size),
        expires_at = now() + greatest(coalesce(p_meta_ttl, interval '7 days'), p_history_ttl)
    WHERE meta.channel = p_channel RETURNING meta.top_offset INTO known.top_offset;
    INSERT INTO {PREFIX} (channel, channel_offset, epoch, data, tags, client_id, user_id,
                          conn_info, chan_info, prev_data, shard_id)
    VALUES (p_channel, known.top_offset, known.epoch, p_data, p_tags, p_client_id, p_user_id,
            p_conn_info, p_chan_info, before, shard)
    RETURNING id INTO number;
    PERFORM pg_notify('{PREFIX}_notify', '');
    RETURN QUERY SELECT number, known.top_offset, known.epoch, false, NULL::text;
END
$$;
"""

STREAM_QUERY = f"""
SELECT id, channel, channel_offset, epoch, data, tags, client_id, user_id FROM {PREFIX}
WHERE id > %s AND shard_id = ANY(%s) ORDER BY id LIMIT %s"""
"""The reader of live publications, with the newest id that it has read."""

META_QUERY = (
    f"SELECT top_offset, epoch, history_ttl, history_size FROM {PREFIX}_meta WHERE channel = %s"
)
HISTORY_QUERY = f"""
SELECT channel_offset, epoch, data, tags, client_id, user_id, conn_info, chan_info, prev_data
FROM {PREFIX} WHERE channel = %s AND kind = 0 AND channel_offset >= %s AND channel_offset <= %s
AND created_at > %s AND epoch = %s ORDER BY channel_offset LIMIT %s"""

PUBLISH_QUERY = f"""
SELECT out_suppressed, out_suppress_reason FROM {PREFIX}_publish(
    p_channel := %s, p_data := %s, p_meta_ttl := interval '1 day', p_version := %s,
    p_version_epoch := %s, p_num_shards := %s
)"""
"""How a node publishes: a channel, data, a version and its epoch, and the number of shards."""

CONSUMER_LOCK = "SELECT pg_advisory_xact_lock(hashtext(%s))"
CONSUMER_QUERY = """
SELECT id, method, payload, partition FROM centrifugo_outbox
WHERE partition = %s ORDER BY id ASC LIMIT %s"""
CONSUMER_DELETE = "DELETE FROM centrifugo_outbox WHERE id = ANY(%s)"


def _find_schema() -> str:
    path = os.environ.get("CENTRIFUGO_SCHEMA")
    if not path:
        return TABLES + PUBLISH
    template = Path(path).read_text(encoding="utf-8")
    names = {"__STREAM_TABLE__": PREFIX, "__PREFIX__": f"{PREFIX}_", "__DATA_TYPE__": "BYTEA"}
    for placeholder, name in names.items():
        template = template.replace(placeholder, name)
    return template


SCHEMA = _find_schema()


def create_tables(url: str) -> None:
    """Do what Centrifugo does at its start: tables, function, shards, and a table for each of the
    next days."""
    today = datetime.now(UTC).date()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(
            f"INSERT INTO {PREFIX}_shard_lock SELECT generate_series(0, {SHARDS - 1})".encode()
        )
        for day in (today + timedelta(days=number) for number in range(3)):
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {PREFIX}_{day:%Y_%m_%d} PARTITION OF {PREFIX} "
                f"FOR VALUES FROM ('{day} 00:00:00+00') "
                f"TO ('{day + timedelta(days=1)} 00:00:00+00')".encode()
            )


def read_streams(url: str) -> list[Any]:
    """Everything that the readers of all shards find, each in the order in which it reads."""
    found: list[Any] = []
    with psycopg.connect(url) as connection:
        for shard in range(SHARDS):
            cursor = 0
            while rows := connection.execute(STREAM_QUERY, (cursor, [shard], 7)).fetchall():
                found += rows
                cursor = rows[-1][0]
    return found


def read_history(url: str, channel: str, since: int = 0) -> tuple[int, str, list[Any]]:
    """The top offset, the epoch and the publications after `since`, as recovery reads them."""
    with psycopg.connect(url) as connection:
        meta = connection.execute(META_QUERY, (channel,)).fetchone()
        if meta is None:
            return 0, "", []
        top, epoch, ttl, size = meta
        first = max(since + 1, top - size + 1)
        cutoff = datetime.now(UTC) - ttl
        given = (channel, first, top, cutoff, epoch, size)
        return top, epoch, connection.execute(HISTORY_QUERY, given).fetchall()
