"""Models, a database of them, and the revision between two states of them, without its file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations import MigrationScript, Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.dialects import postgresql

import trivet.models.types
from trivet.data.single_connection import connect
from trivet.migrations import comparing
from trivet.migrations.comparison import Comparison
from trivet.migrations.differences import describe
from trivet.migrations.scope import _render_item, write_percents_once
from trivet.migrations.shapes import knowing_indexes
from trivet.models.base import NAMING_CONVENTION

Models = Callable[[], MetaData]


class Compared:
    """What models and a database differ in, and the revision that cures it."""

    def __init__(self, connection: Connection, metadata: MetaData) -> None:
        comparing.install()
        comparison = Comparison()
        names = {table.name for table in metadata.tables.values()}
        options: dict[str, Any] = {
            "target_metadata": metadata,
            "autogenerate_plugins": ["alembic.autogenerate.*", comparing.NAME],
            "compare_server_default": True,
            "comparison": comparison,
            "include_name": lambda name, kind, _: kind != "table" or name in names,
        }
        self.context = MigrationContext.configure(connection, opts=options)
        write_percents_once(self.context)
        with knowing_indexes():
            self.script: MigrationScript = produce_migrations(self.context, metadata)
        assert self.script.upgrade_ops is not None
        found = describe(self.script.upgrade_ops.ops, [], comparison.unwritten)
        self.sentences = [each.sentence for each in found]
        self.uncompared = comparison.uncompared

    def code(self, operations: Any) -> str:
        """The Python of a revision."""
        return render_python_code(
            operations,
            render_as_batch=True,
            migration_context=self.context,
            render_item=_render_item,
        )


def run(connection: Connection, code: str) -> None:
    """Run the code of a revision."""
    # As Alembic runs ours, which gives constraints the names of a convention.
    target = MetaData(naming_convention=NAMING_CONVENTION)
    context = MigrationContext.configure(connection, opts={"target_metadata": target})
    with Operations.context(context) as operations:
        names = {
            "op": operations,
            "sa": sa,
            "Text": sa.Text,
            "postgresql": postgresql,
            "trivet": trivet,
        }
        exec(f"def change():\n    {code}\nchange()", names)  # noqa: S102  # it is our own
    connection.commit()


@contextmanager
def database_of(url: str, models: Models) -> Iterator[Connection]:
    """A connection to a database that has the tables of `models`."""
    with connect(url) as connection:
        models().create_all(connection)
        connection.commit()
        yield connection
