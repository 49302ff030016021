"""Publications in the tables of Centrifugo's PostgreSQL stream broker, with the same positions.

Centrifugo makes the tables in our database when it starts. From `graduate` on, a trigger copies
what a transaction publishes, in the same transaction: either both outboxes have it or none. A
channel has the same epoch and the same offsets on both sides, so a client that was connected here
recovers there, and a page's snapshot with its position is good for both.

What the trigger stands on, read in Centrifugo 6.9.1:

* ``…_publish()`` is the function by which an application publishes in its own transaction. It
  takes the channel's next offset from ``…_meta``. So the trigger first lets that row say where our
  channel stood before. It calls the function, and refuses the commit if the positions differ all
  the same.
* Publications of one shard have ids in the order of their commits, because each locks its row of
  ``…_shard_lock``. The trigger locks all rows that it will need at once and in their order: two
  commits that publish to several channels would otherwise wait for each other.
* The tables of the binary variant hold the bytes of our JSON as they are. JSON that PostgreSQL's
  ``jsonb`` refuses would let a commit fail.
* Rows of a shard that no worker has are in the history, and are sent to nobody. The rows that are
  copied once, at the beginning, are of such a shard.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from trivet.errors import Conflict, Invalid
from trivet.events.outbox import new_epoch
from trivet_realtime.namespaces import Namespace

PREFIX = "cf"
"""Centrifugo's own beginning of its tables' names (``table_prefix``)."""
STREAM = f"{PREFIX}_binary_stream"
TRIGGER = "trivet_to_centrifugo"
VERSION, VERSION_EPOCH = 1, "trivet"
"""The version that every channel has already: a publication with it is dropped as a repetition."""
MOST_PUBLICATIONS = 2**31 - 1
"""The history's size of a channel without a bound."""
_FOR_EVER = "100 years"
_PAST = -1
"""The shard of rows that are history already."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a graduation has copied."""

    channels: int
    publications: int


def graduate(
    connection: Connection,
    namespaces: Mapping[str, Namespace],
    *,
    kept: timedelta,
    back: timedelta | None = None,
) -> Copied:
    """Let Centrifugo's tables follow ours, from this transaction on. Writers wait until it ends.

    It may be repeated: then the options of the namespaces are renewed, and what is missing copied.

    Args:
        connection: A connection to the primary, in a transaction.
        namespaces: The options of each namespace.
        kept: How long publications are kept here.
        back: The age up to which publications are copied, for clients that recover; None: all.

    Raises:
        Conflict: Centrifugo has not made its tables.
    """
    _require_tables(connection)
    connection.execute(text(_follow(namespaces, kept)))
    # It waits for the transactions that have published, and others wait for it until the end of
    # this one. Readers go on. So what is read from here on is all that the trigger does not see.
    connection.execute(text(_CALL))
    channels = connection.execute(text(_seed(namespaces, kept))).rowcount
    since = datetime.now(UTC) - (kept if back is None else back)
    _make_days(connection, since)
    copied = connection.execute(text(_COPY), {"since": since}).rowcount
    return Copied(channels, copied)


def take_back(connection: Connection) -> None:
    """Let Centrifugo's tables follow ours no more. Positions stay as they are on our side."""
    connection.execute(text(f"DROP TRIGGER IF EXISTS {TRIGGER} ON trivet_publication"))
    connection.execute(text(f"DROP FUNCTION IF EXISTS {TRIGGER}()"))


def acquaint(session: Session, channel: str) -> None:
    """Let Centrifugo know `channel`, so that it drops what it is told to drop there."""
    connection = session.connection()
    connection.execute(text(_OPEN), {"channel": channel, "epoch": new_epoch()})
    connection.execute(text(_ACQUAINT), {"channel": channel})


def _require_tables(connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        raise Invalid("no-postgresql", "Centrifugo reads publications from PostgreSQL alone.")
    found = connection.scalar(text(f"SELECT to_regclass('{STREAM}_meta')"))
    if found is None:
        raise Conflict(
            "no-centrifugo-tables",
            f"There is no table {STREAM}_meta here. Centrifugo makes its tables: start it once "
            "with the configuration that `trivet centrifugo config` prints, and try again.",
        )


def _make_days(connection: Connection, since: datetime) -> None:
    """The tables of past days, as Centrifugo names them: it removes them when they are old."""
    oldest = connection.scalar(
        text("SELECT min(created_at) FROM trivet_publication WHERE created_at >= :since"),
        {"since": since},
    )
    today = datetime.now(UTC).date()
    day = today if oldest is None else oldest.astimezone(UTC).date()
    while day <= today:
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {STREAM}_{day:%Y_%m_%d} PARTITION OF {STREAM} "
                f"FOR VALUES FROM ('{day} 00:00:00+00') "
                f"TO ('{day + timedelta(days=1)} 00:00:00+00')"
            )
        )
        day += timedelta(days=1)


def options_of(namespace: Namespace, kept: timedelta) -> tuple[int, int]:
    """The size and the seconds of a namespace's history, as Centrifugo takes them."""
    size = MOST_PUBLICATIONS if namespace.history_size is None else max(1, namespace.history_size)
    seconds = kept.total_seconds()
    if namespace.history_seconds is not None:
        seconds = min(seconds, namespace.history_seconds)
    return size, max(1, round(seconds))


def _options(channel: str, namespaces: Mapping[str, Namespace], kept: timedelta) -> str:
    """What a statement joins to find the options of the channel in its column `channel`. A
    namespace that no feature has gets those of a feature that says nothing."""
    rows = []
    for name, options in {**namespaces, "": Namespace()}.items():
        size, seconds = options_of(options, kept)
        delta = "true" if options.delta else "false"
        rows.append(f"('{name}', {size}, interval '{seconds} seconds', {delta})")
    namespace = f"split_part(ltrim({channel}, '$'), ':', 1)"
    return f"""LATERAL (
        SELECT * FROM (VALUES {", ".join(rows)}) AS named (namespace, size, ttl, delta)
        WHERE named.namespace IN ({namespace}, '') ORDER BY named.namespace DESC LIMIT 1
    ) AS option ON true"""  # noqa: S608  # names of features, and numbers


def _seed(namespaces: Mapping[str, Namespace], kept: timedelta) -> str:
    """Let each channel stand there where it stands here."""
    return _meta("trivet_channel.top_offset", "FROM trivet_channel", namespaces, kept)


def _meta(offset: str, source: str, namespaces: Mapping[str, Namespace], kept: timedelta) -> str:
    return f"""
    INSERT INTO {STREAM}_meta AS known
        (channel, top_offset, epoch, history_size, history_ttl,
         top_version, top_version_epoch, expires_at)
    SELECT trivet_channel.name, {offset}, trivet_channel.epoch, option.size, option.ttl,
           {VERSION}, '{VERSION_EPOCH}', now() + interval '{_FOR_EVER}'
    {source}
    JOIN {_options("trivet_channel.name", namespaces, kept)}
    ORDER BY trivet_channel.name
    ON CONFLICT (channel) DO UPDATE
    SET epoch = excluded.epoch, top_offset = excluded.top_offset,
        history_size = excluded.history_size, history_ttl = excluded.history_ttl,
        top_version = excluded.top_version, top_version_epoch = excluded.top_version_epoch,
        expires_at = excluded.expires_at
    WHERE (known.epoch, known.top_offset, known.top_version, known.history_size, known.history_ttl)
    IS DISTINCT FROM (excluded.epoch, excluded.top_offset, excluded.top_version,
                      excluded.history_size, excluded.history_ttl)"""  # noqa: S608  # our own names and numbers


def _readable(column: str, kind: str) -> str:
    """A column as JSON; nothing where PostgreSQL could not read it, because it has no NUL: a commit
    must not fail by what somebody calls themselves."""
    return f"CASE WHEN position('\\u0000' IN {column}) = 0 THEN {column}::{kind} END"


def _follow(namespaces: Mapping[str, Namespace], kept: timedelta) -> str:
    before = """FROM trivet_channel
    JOIN (SELECT channel, min("offset") - 1 AS before FROM added GROUP BY channel) AS first
    ON first.channel = trivet_channel.name"""
    meta = _meta("first.before", before, namespaces, kept)
    return f"""
    CREATE OR REPLACE FUNCTION {TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
        shards integer;
        each record;
        told record;
    BEGIN
        SELECT count(*) INTO shards FROM {STREAM}_shard_lock;
        PERFORM 1 FROM {STREAM}_shard_lock
        WHERE shard_id IN (SELECT abs(hashtext(channel)::bigint) % shards FROM added)
        ORDER BY shard_id FOR UPDATE;
        {meta};
        FOR each IN
            SELECT added.channel, added."offset", added.data, added.tags,
                   {_readable("added.publisher", "json")} AS publisher,
                   trivet_channel.epoch, option.*
            FROM added
            JOIN trivet_channel ON trivet_channel.name = added.channel
            JOIN {_options("added.channel", namespaces, kept)}
            ORDER BY added.id
        LOOP
            SELECT * INTO told FROM {STREAM}_publish(
                p_channel := each.channel::text,
                p_data := convert_to(each.data, 'UTF8'),
                p_tags := {_readable("each.tags", "jsonb")},
                p_history_ttl := each.ttl,
                p_history_size := each.size,
                p_meta_ttl := interval '{_FOR_EVER}',
                p_use_delta := each.delta,
                p_client_id := each.publisher ->> 'client',
                p_user_id := coalesce(each.publisher ->> 'user', ''),
                p_conn_info := convert_to((each.publisher -> 'conn_info')::text, 'UTF8'),
                p_chan_info := convert_to((each.publisher -> 'chan_info')::text, 'UTF8'),
                p_num_shards := shards
            );
            IF (told.out_epoch, told.out_channel_offset)
               IS DISTINCT FROM (each.epoch::text, each."offset") THEN
                RAISE EXCEPTION 'Centrifugo has % % for % % of %',
                    told.out_epoch, told.out_channel_offset,
                    each.epoch, each."offset", each.channel;
            END IF;
        END LOOP;
        RETURN NULL;
    END
    $body$"""  # noqa: S608  # our own names and numbers


_CALL = (
    f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT ON trivet_publication "
    f"REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {TRIGGER}()"
)

_COPY = f"""
    INSERT INTO {STREAM} (channel, channel_offset, epoch, kind, data, tags, client_id, user_id,
                          conn_info, chan_info, created_at, shard_id)
    SELECT told.channel, told."offset", trivet_channel.epoch, 0, convert_to(told.data, 'UTF8'),
           {_readable("told.tags", "jsonb")},
           who.publisher ->> 'client', who.publisher ->> 'user',
           convert_to((who.publisher -> 'conn_info')::text, 'UTF8'),
           convert_to((who.publisher -> 'chan_info')::text, 'UTF8'),
           told.created_at, {_PAST}
    FROM trivet_publication AS told
    CROSS JOIN LATERAL (SELECT {_readable("told.publisher", "json")} AS publisher) AS who
    JOIN trivet_channel ON trivet_channel.name = told.channel
    WHERE told.created_at >= :since AND NOT EXISTS (
        SELECT 1 FROM {STREAM} AS known
        WHERE known.channel = told.channel AND known.epoch = trivet_channel.epoch
        AND known.channel_offset = told."offset" AND known.kind = 0
    )
    ORDER BY told.id"""  # noqa: S608  # our own names and numbers

_OPEN = """
    INSERT INTO trivet_channel (name, epoch, top_offset) VALUES (:channel, :epoch, 0)
    ON CONFLICT (name) DO NOTHING"""
_ACQUAINT = f"""
    INSERT INTO {STREAM}_meta
        (channel, top_offset, epoch, top_version, top_version_epoch, expires_at)
    SELECT name, top_offset, epoch, {VERSION}, '{VERSION_EPOCH}', now() + interval '{_FOR_EVER}'
    FROM trivet_channel WHERE name = :channel
    ON CONFLICT (channel) DO NOTHING"""  # noqa: S608  # our own names and numbers
