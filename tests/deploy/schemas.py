"""What the schema of a database is."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine, inspect


def look(url: str, ask: Callable[[Any], Any]) -> Any:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as connection:
            return ask(connection)
    finally:
        engine.dispose()


def shape_of(url: str, tables: tuple[str, ...] = ("authors", "books", "shelves")) -> Any:
    """What SQLAlchemy reflects of their tables, with all names, and their rows."""

    def ask(connection: Any) -> Any:
        found = inspect(connection)
        return {
            name: [
                [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in columns],
                found.get_pk_constraint(name),
                found.get_foreign_keys(name),
                found.get_unique_constraints(name),
                found.get_check_constraints(name),
                found.get_indexes(name),
            ]
            for name in tables
            for columns in [found.get_columns(name)]
        }

    return look(url, ask)
