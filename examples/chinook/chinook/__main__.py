"""Make the shop's database, as it was before anybody thought of Trivet: `python -m chinook FILE`.

Plain SQL by Python's own `sqlite3`. The types are those of `schema.sql`, and so are the names of
the constraints; the classes of `tables.py` have no part in it.
"""

import contextlib
import csv
import sqlite3
import sys
from pathlib import Path

HERE = Path(__file__).parent
ORDER = (
    "Artist", "Album", "Genre", "MediaType", "Track", "Playlist", "PlaylistTrack",
    "Employee", "Customer", "Invoice", "InvoiceLine",
)  # fmt: skip
"""The tables, those that others refer to first."""


def make(path: Path) -> None:
    """Write the database. Raises FileExistsError for a file that is there."""
    path.touch(exist_ok=False)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((HERE / "schema.sql").read_text(encoding="utf-8"))
        for table in ORDER:
            fill(connection, table)
        connection.commit()


def fill(connection: sqlite3.Connection, table: str) -> None:
    """Insert the rows of a table's file, in which nothing stands for NULL."""
    with (HERE / "data" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    marks = ", ".join("?" for _ in columns)
    connection.executemany(
        f'INSERT INTO "{table}" VALUES ({marks})',  # noqa: S608  # the names are ours
        [[value or None for value in row] for row in rows],
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]))
