"""Make the shop's database, as it was before anybody thought of Trivet: `python -m chinook FILE`.

Plain SQL by Python's own `sqlite3`. The types are those of `schema.sql`, and so are the names of
the constraints; the classes of `tables.py` have no part in it.
"""

import csv
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ORDER = (
    "Artist", "Album", "Genre", "MediaType", "Track", "Playlist", "PlaylistTrack",
    "Employee", "Customer", "Invoice", "InvoiceLine",
)  # fmt: skip
"""The tables, those that others refer to first."""


def read_table(name: str) -> Iterator[dict[str, str | None]]:
    """The rows of a table's file; an empty text stands for NULL, of which there is no other."""
    with (HERE / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {column: text or None for column, text in row.items()}


def insert(table: str, columns: list[str], mark: str) -> str:
    """The INSERT of a row, its values as the driver marks them."""
    names = ", ".join(f'"{column}"' for column in columns)
    return f'INSERT INTO "{table}" ({names}) VALUES ({", ".join([mark] * len(columns))})'  # noqa: S608 - the names are our files'


def make(path: Path) -> None:
    """Write the database. Raises FileExistsError for a file that is there."""
    path.touch(exist_ok=False)
    connection = sqlite3.connect(path)
    try:
        connection.executescript((HERE / "schema.sql").read_text(encoding="utf-8"))
        for table in ORDER:
            rows = list(read_table(table))
            statement = insert(table, list(rows[0]), "?")
            connection.executemany(statement, [tuple(row.values()) for row in rows])
        connection.commit()
    finally:
        connection.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
