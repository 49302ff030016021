"""Publications in a table that Centrifugo's PostgreSQL consumer empties.

The consumer takes the rows of each partition in the order of their ids, under a lock, publishes
them, and deletes them by id. So a row that becomes visible late is not skipped, and one that was
published before a crash is published again: its version tells Centrifugo that it has it.

Centrifugo numbers the publications itself. Its positions are not ours: at the change every client
reloads once, and a page has to ask Centrifugo for its position. The other source
(`trivet_realtime.centrifugo.streams`) has neither, and needs Centrifugo's stream broker.
"""

from sqlalchemy import Connection, text

from trivet.errors import Invalid

TABLE = "centrifugo_outbox"
TRIGGER = "trivet_to_centrifugo_outbox"
PARTITIONS = 8
"""Centrifugo works on so many partitions at a time; a channel is always in the same one."""


def graduate(connection: Connection) -> None:
    """Let the table get what is published from this transaction on. It may be repeated.

    Raises:
        Invalid: The database is not PostgreSQL.
    """
    if connection.dialect.name != "postgresql":
        raise Invalid("no-postgresql", "Centrifugo reads publications from PostgreSQL alone.")
    for statement in (*_TABLE, _FOLLOW, _CALL):
        connection.execute(text(statement))


def take_back(connection: Connection) -> int:
    """Remove the table, and return the number of publications that nobody had taken."""
    connection.execute(text(f"DROP TRIGGER IF EXISTS {TRIGGER} ON trivet_publication"))
    connection.execute(text(f"DROP FUNCTION IF EXISTS {TRIGGER}()"))
    if connection.scalar(text(f"SELECT to_regclass('{TABLE}')")) is None:
        return 0
    left = connection.scalar(text(f"SELECT count(*) FROM {TABLE}"))  # noqa: S608  # our own name
    connection.execute(text(f"DROP TABLE {TABLE}"))
    return int(left or 0)


# The consumer knows these four columns by name. `json` keeps the text of the data as it is.
_TABLE = (
    f"""CREATE TABLE IF NOT EXISTS {TABLE} (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        method text NOT NULL,
        payload json NOT NULL,
        partition bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )""",
    f"CREATE INDEX IF NOT EXISTS {TABLE}_partition_idx ON {TABLE} (partition, id)",
)

# No NOTIFY in the transaction of a change: notifiers queue for one lock. The consumer polls.
_FOLLOW = f"""
    CREATE OR REPLACE FUNCTION {TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        INSERT INTO {TABLE} (method, payload, partition)
        SELECT 'publish',
               CASE WHEN added.tags IS NULL THEN json_build_object(
                   'channel', added.channel, 'data', added.data::json,
                   'idempotency_key', trivet_channel.epoch || '/' || added."offset",
                   'version', added."offset", 'version_epoch', trivet_channel.epoch
               ) ELSE json_build_object(
                   'channel', added.channel, 'data', added.data::json, 'tags', added.tags::json,
                   'idempotency_key', trivet_channel.epoch || '/' || added."offset",
                   'version', added."offset", 'version_epoch', trivet_channel.epoch
               ) END,
               abs(hashtext(added.channel)::bigint) % {PARTITIONS}
        FROM added JOIN trivet_channel ON trivet_channel.name = added.channel
        ORDER BY added.id;
        RETURN NULL;
    END
    $body$"""  # noqa: S608  # our own names and numbers
_CALL = (
    f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT ON trivet_publication "
    f"REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {TRIGGER}()"
)
