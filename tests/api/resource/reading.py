"""A resource without routes: its reader on a platform, and what it answers."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from tests.api.resource.query_classes import TABLES
from trivet import Identity, Model, Platform
from trivet.errors import Invalid
from trivet.rules.registry import RuleRegistry
from trivet_api.resource.fields import fields_of
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.reading import Reader

ANYBODY = Identity(user_id=1, username="ann", kind="key")


def options_of(model: type[Any], *, exclude: Sequence[str] = (), **options: Any) -> ReadOptions:
    options.setdefault("has_policy", True)
    fields = {name: each for name, each in fields_of(model).items() if name not in exclude}
    return ReadOptions(model, fields, **options)


class Desk:
    """Where somebody asks a resource."""

    def __init__(self, platform: Platform, reader: Reader, actor: Identity = ANYBODY) -> None:
        self.platform = platform
        self.reader = reader
        self.actor = actor

    async def page(self, query: str | bytes = b"", **words: Any) -> Any:
        raw = query.encode() if isinstance(query, str) else query
        raw = raw or urlencode(words, doseq=True).encode()
        async with self.platform.open_unit(actor=self.actor, read_only=True) as unit:
            return msgspec.json.decode(await self.reader.list(unit, raw, self.platform))

    async def read(self, key: str, query: bytes = b"") -> tuple[Any, str | None]:
        async with self.platform.open_unit(actor=self.actor, read_only=True) as unit:
            body, etag = await self.reader.read(unit, key, query)
        return msgspec.json.decode(body), etag

    async def faults(self, query: str | bytes) -> dict[str, str]:
        """The faults of a query string by their pointers."""
        try:
            await self.page(query)
        except Invalid as refused:
            return {each["pointer"]: each["detail"] for each in refused.data["errors"]}
        return {}

    async def walk(self, *, cursor: str = "next_cursor", start: str = "", **words: Any) -> Any:
        """All rows from a page on, page by page."""
        rows: list[Any] = []
        given = {"cursor": start} if start else {}
        while True:
            page = await self.page(**words, **given)
            rows += page["items"] if cursor == "next_cursor" else page["items"][::-1]
            if page[cursor] is None:
                return rows
            given = {"cursor": page[cursor]}

    async def ids(self, query: str = "", **words: Any) -> Any:
        return [row["id"] for row in (await self.page(query, **words))["items"]]


def desk(
    platform: Platform, model: type[Any], rules: RuleRegistry | None = None, **options: Any
) -> Desk:
    reader = Reader(options_of(model, **options), rules or RuleRegistry())
    return Desk(platform, reader)


def make_tables(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    Model.metadata.create_all(engine, tables=TABLES)
    engine.dispose()


async def store(platform: Platform, *rows: object) -> None:
    """Write rows in their order."""

    def write(db: Session, _actor: Identity) -> None:
        for row in rows:
            db.add(row)
            db.flush()

    async with platform.open_unit() as unit:
        await unit.run(write)


class Statements:
    """The queries that sessions send. One that is compiled once, and is the only one of its unit,
    is not among them on PostgreSQL (docs/decisions/0150)."""

    def __init__(self, platform: Platform) -> None:
        self.texts: list[str] = []
        self.parameters: list[Any] = []
        engine = platform.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, *event: Any) -> None:
        _connection, _cursor, statement, parameters, *_ = event
        if statement.startswith(("SELECT", "EXPLAIN")):
            self.texts.append(statement)
            self.parameters.append(parameters)
