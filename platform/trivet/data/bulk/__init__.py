"""Many rows of a flush in one statement.

SQLAlchemy's flush sends an UPDATE for each row that has a version, and an INSERT of many rows with
a parameter for each value of each row, whose text the driver and PostgreSQL read anew each time.
On PostgreSQL both are given an array for each column instead (`unnest`): a short text that is
always the same, and is prepared once.

What a flush promises stays: new rows get their keys in the order in which they were added; rows
are locked in the order of their keys, so two flushes do not deadlock; an update that does not find
its row in its version is refused. `updates` and `inserts` say which statements stay as they are,
`direct` sends most of them past SQLAlchemy's execution, and `rows` writes rows without objects.
"""
