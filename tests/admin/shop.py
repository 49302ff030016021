"""The shop of the ORM's tests: the mirrors of `stock`, and what another connection sees."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import text

from tests.admin.house import engine_of
from trivet.models.search_tables import SearchTable


class Shop:
    """The mirrors of `stock`, and the database as another connection sees it."""

    def __init__(self, url: str) -> None:
        from django.apps import apps

        self._engine = engine_of(url)
        self.Item: Any = apps.get_model("stock", "Item")
        self.Tag: Any = apps.get_model("stock", "Tag")
        self.Category: Any = apps.get_model("stock", "Category")
        self.Supplier: Any = apps.get_model("stock", "Supplier")
        self.Specimen: Any = apps.get_model("stock", "Specimen")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    @contextmanager
    def refers(self, table: str) -> Iterator[None]:
        """Somebody who has made a row that refers to those of `table`, and has not committed."""
        with self._engine.connect() as connection:
            connection.execute(text(f"SELECT 1 FROM {table} FOR KEY SHARE"))
            yield

    def told(self) -> list[tuple[str, str]]:
        """(kind, name) of every publication, in the order of its channel."""
        query = 'SELECT data FROM trivet_publication ORDER BY channel, "offset"'
        decoded = [msgspec.json.decode(data) for (data,) in self.rows(query)]
        return [(each["kind"], each["name"]) for each in decoded]

    def index(self, search: SearchTable) -> None:
        """Make the index of a search, as a revision does."""
        with self._engine.begin() as connection:
            search.create(connection)

    def close(self) -> None:
        self._engine.dispose()
