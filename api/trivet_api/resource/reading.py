"""Lists and single rows: from a query string to JSON.

What is asked for is read (`parameters`), a statement of its shape is found or made (`listing`,
`single_rows`), and its rows are written (`rows`). One statement brings a page, and one more each
expansion and each count. Where one suffices no transaction is opened (docs/decisions/0025).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.data.compiled_read import CompiledRead, Rows
from trivet.data.unit_of_work import UnitOfWork
from trivet.events.outbox import find_position
from trivet.identity.identity import Identity
from trivet.models.row_keys import key_text
from trivet.platform import Platform
from trivet_api.cursor import read_cursor, write_cursor
from trivet_api.resource.asking import Asked
from trivet_api.resource.counting import Counts
from trivet_api.resource.expanding import Expansion, Key, expanders_of, find_all, key_of
from trivet_api.resource.keys import no_row, require_key
from trivet_api.resource.listing import Found, Listing, PageStatement, add_cursors, in_order
from trivet_api.resource.live_positions import require_channel
from trivet_api.resource.member_lists import MemberLists
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.paging import Position
from trivet_api.resource.parameters import Parameters
from trivet_api.resource.rows import Page, encode
from trivet_api.resource.single_rows import RowStatement, SingleRows
from trivet_api.resource.statements import Rules, Sight, is_plain

Unit = UnitOfWork[AsyncSession]


class Reader:
    """Reads the rows of a resource.

    Args:
        options: What readers may see and ask.
        rules: The rules of visibility.
        parameters: The words of the query string, if they are made already.
    """

    def __init__(
        self, options: ReadOptions, rules: Rules, parameters: Parameters | None = None
    ) -> None:
        self.parameters = parameters or Parameters(options)
        self._options = options
        self._model = options.model
        self._rules = rules
        self._expanders = expanders_of(options)
        self._listing = Listing(options)
        self._single = SingleRows(options)
        self._members = MemberLists(options.model, options.members)
        self._counts = Counts()

    async def list(self, unit: Unit, query_string: bytes, platform: Platform) -> bytes:
        """The JSON of a page.

        Args:
            unit: The unit of the request.
            query_string: The query string as the request has it.
            platform: The platform, which signs cursors.

        Returns:
            ``{"items": […], "next_cursor": …, "previous_cursor": …}``, with ``count``, ``groups``,
            and ``epoch`` and ``offset`` of the live channel, where they were asked for.

        Raises:
            Invalid: The query string does not fit (422).
            Unauthenticated, Forbidden: The actor may not subscribe to the live channel whose
                position is wanted (401, 403).
        """
        sight = self._sight(unit.actor)
        query = self.parameters.parse(query_string, sight)
        is_postgresql = not platform.database.is_sqlite
        asked = Asked(self._options, self.parameters, query, sight, is_postgresql)
        if query.cursor is not None:
            place = read_cursor(platform, asked.purpose, query.cursor)
            asked.position = Position.of_json(place)
        if query.live:
            asked.channel = require_channel(platform.capture.live, self._model, unit.actor)
        if asked.search_table is not None:
            page, found, made = await unit.run(self._find_searched, asked)
            add_cursors(page, asked, made, found, partial(write_cursor, platform))
            return encode(page)
        made, values = self._listing.prepare(asked)
        if query.asks_once and not asked.lists:
            rows = await _ask(unit, made.read, values, asked.sight, asked.models)
            found = in_order(asked, rows)
            page = Page(made.writer.write_all(found.rows))
        else:
            page, found = await unit.run(self._find_page, asked, made, values)
        add_cursors(page, asked, made, found, partial(write_cursor, platform))
        return encode(page)

    async def read(
        self, unit: Unit, address: str, query_string: bytes = b""
    ) -> tuple[bytes, str | None]:
        """The JSON of a row, and its entity tag.

        Args:
            unit: The unit of the request.
            address: The key as the path has it.
            query_string: The query string: ``fields`` and ``expand``.

        Returns:
            The JSON, and the value of the ETag header; None where other rows are in it.

        Raises:
            Invalid: The key or the query string does not fit (422).
            NotFound: There is no such row, or the actor may not see it (404).
        """
        sight = self._sight(unit.actor)
        query = self.parameters.parse_read(query_string, sight)
        key = require_key(self._model, address)
        made, values = self._single.prepare(query, sight, key)
        lists: Mapping[str, Any] = {}
        extra: Sequence[Any] = ()
        if query.asks_once and not made.lists:
            rows = await _ask(unit, made.read, values, sight, [self._model])
        else:
            rows, lists, extra = await unit.run(
                self._find_row, made, values, (query.expand, sight, key_of(key))
            )
        if not rows:
            raise no_row(self._model, key_text(key))
        body = made.body(rows[0], lists, extra)
        return body, None if query.expand else f'"{made.tag(rows[0], lists, body)}"'

    def represent(self, db: Session, actor: Identity, instance: object) -> tuple[bytes, str]:
        """The JSON of an object as `read` shows its row, and the version in its entity tag.

        Args:
            db: The session of the object, which has been flushed.
            actor: The identity that will see it.
            instance: An object of the class, whose attributes are loaded.

        Returns:
            The JSON, and what `trivet_api.set_etag` and `Condition.require` take.
        """
        sight = self._sight(actor)
        hidden = sight.hidden(self._model)
        lists: dict[str, Any] = {}
        if names := self._options.lists(hidden):
            key = key_of(inspect(self._model).primary_key_from_instance(instance))
            lists = self._find_lists(db.connection(), sight, key, names)
        return self._single.represent(instance, hidden, lists)

    def represent_new(self, actor: Identity, instance: object) -> tuple[bytes, str]:
        """The same of an object that no session has: its row is new, and without members."""
        hidden = self._sight(actor).hidden(self._model)
        lists: dict[str, Any] = {name: [] for name in self._options.lists(hidden)}
        return self._single.represent(instance, hidden, lists)

    def _sight(self, actor: Identity) -> Sight:
        return Sight(self._rules, actor, has_policy=self._options.has_policy)

    def _find_lists(
        self, connection: Connection, sight: Sight, key: Key, names: Sequence[str]
    ) -> dict[str, Any]:
        found = self._members.find(connection, sight, [key], names)
        lists: Iterator[Any] = (next(iter(each.values()), []) for each in found)
        return dict(zip(names, lists, strict=True))

    def _find_searched(
        self, db: Session, actor: Identity, asked: Asked
    ) -> tuple[Page, Found, PageStatement]:
        """A page of a search for which SQLite has an index, if it was migrated. That is asked in
        the moment of the rows, because a copy of a table without its triggers would go unseen."""
        assert asked.search_table is not None
        asked.is_indexed = asked.search_table.is_whole(db.connection())
        made, values = self._listing.prepare(asked)
        page, found = self._find_page(db, actor, asked, made, values)
        return page, found, made

    def _find_page(
        self,
        db: Session,
        _actor: Identity,
        asked: Asked,
        made: PageStatement,
        values: dict[str, Any],
    ) -> tuple[Page, Found]:
        connection = db.connection()
        query = asked.query
        found = in_order(asked, made.read.rows(db, values))
        rows, lists = found.rows, asked.lists
        if query.expand or lists:
            keys = [key_of(row[made.key]) for row in rows]
            extra: list[tuple[Mapping[Key, Any], Any]] = [
                (each, []) for each in self._members.find(connection, asked.sight, keys, lists)
            ]
            extra += find_all(self._expanders, connection, asked.sight, keys, query.expand)
            page = Page(
                [
                    made.writer.write(row, [inner.get(key, empty) for inner, empty in extra])
                    for row, key in zip(rows, keys, strict=True)
                ]
            )
        else:
            page = Page(made.writer.write_all(rows))
        if query.count:
            page.count = self._counts.count(connection, asked)
        if query.groups:
            page.groups = dict(self._counts.groups(connection, asked))
        if asked.channel:
            # Of the moment of the rows, because a unit that reads sees one moment.
            place = find_position(db, asked.channel)
            page.epoch, page.offset = place.epoch, place.offset
        return page, found

    def _find_row(
        self,
        db: Session,
        _actor: Identity,
        made: RowStatement,
        values: dict[str, Any],
        expansion: tuple[Sequence[Expansion], Sight, Any],
    ) -> tuple[Rows, Mapping[str, Any], Sequence[Any]]:
        connection = db.connection()
        rows = made.read.rows(db, values)
        if not rows:
            return rows, {}, ()
        wanted, sight, key = expansion
        lists = self._find_lists(connection, sight, key, made.lists)
        found = find_all(self._expanders, connection, sight, [key], wanted)
        return rows, lists, [next(iter(each.values()), empty) for each, empty in found]


async def _ask(
    unit: Unit,
    read: CompiledRead,
    values: dict[str, Any],
    sight: Sight,
    models: Sequence[type[Any]],
) -> Rows:
    """The rows of the only query of a request."""
    if is_plain(sight, models):
        return await unit.ask(read, values)
    return await unit.run(lambda db, _actor: read.rows(db, values))
