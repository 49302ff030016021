"""A table in its database's own words: what the catalogue says of columns, constraints, indexes.

Every database rewrites what it is given: ``n>0`` becomes ``(n > 0)``, ``now()`` may become
``CURRENT_TIMESTAMP``. So the text of a model and the text of a catalogue cannot be compared, while
two texts of one catalogue can. `scratch` makes the second one.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, inspect, text

from trivet.migrations.sql_text import plain

Members = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """A column: its type, with its collation, and what the database computes for it.

    Attributes:
        type: The type as the database writes it.
        default: The expression of its default; None without one.
        computed: The expression of a generated column, and whether it is stored.
        counts: How the database numbers rows: ``serial``, ``always`` or ``by default`` of an
            identity; empty for a column that it does not number.
        enum: The name of the enumeration of its values, if it has one.
    """

    type: str
    default: str | None = None
    computed: str | None = None
    counts: str = ""
    enum: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as its database keeps it.

    `checks`, `uniques`, `excludes` and `indexes` are definitions by name. SQLite keeps constraints
    without a name; they have a number here. `actions` are ON DELETE and ON UPDATE of the foreign
    keys of SQLite, by their columns, where SQLAlchemy overlooks some spellings.
    """

    columns: Mapping[str, ColumnShape]
    primary_key: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    uniques: Mapping[str, str] = field(default_factory=dict)
    excludes: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    enums: Mapping[str, Members] = field(default_factory=dict)


def is_unnamed(name: str) -> bool:
    """Whether a name of `Shape` stands for a constraint that has none."""
    return name.isdigit()


def read_shape(connection: Connection, table: Table, schema: str | None) -> Shape:
    """The shape of a table that is there. `schema` is where it stands."""
    if connection.dialect.name == "sqlite":
        return _read_sqlite(connection, table.name)
    return _read_postgresql(connection, table.name, schema)


_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid),
       a.attgenerated::text, a.attidentity::text,
       CASE WHEN a.attcollation <> t.typcollation THEN c.collname END,
       format_type(m.oid, NULL), (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
                                  FROM pg_enum e WHERE e.enumtypid = m.oid)
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type m ON m.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = CAST(:name AS regclass) AND a.attnum > 0 AND NOT a.attisdropped
"""
_CONSTRAINTS = """
SELECT conname, contype::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = CAST(:name AS regclass) AND contype IN ('c', 'u', 'p', 'x')
"""
_INDEXES = """
SELECT c.relname, i.indisunique, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = CAST(:name AS regclass)
AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid
                AND k.contype IN ('p', 'u', 'x'))
"""
_IDENTITY = {"a": "always", "d": "by default"}


def _read_postgresql(connection: Connection, name: str, schema: str | None) -> Shape:
    quote = connection.dialect.identifier_preparer.quote_identifier
    given = {"name": ".".join(quote(part) for part in (schema, name) if part)}
    columns: dict[str, ColumnShape] = {}
    enums: dict[str, Members] = {}
    for row in connection.execute(text(_COLUMNS), given):
        column, kind, expression, generated, identity, collation, enum, members = row
        if members is not None:
            enums[enum] = tuple(members)
        is_serial = (expression or "").startswith("nextval(")
        columns[column] = ColumnShape(
            kind if collation is None else f"{kind} COLLATE {collation}",
            None
            if generated or is_serial or expression is None
            else plain_number(expression, kind),
            f"{expression} {generated}" if generated else None,
            "serial" if is_serial else _IDENTITY.get(identity, ""),
            None if members is None else enum,
        )
    found: dict[str, dict[str, str]] = {kind: {} for kind in "cupx"}
    for constraint, kind, definition in connection.execute(text(_CONSTRAINTS), given):
        found[kind][constraint] = definition
    indexes = {
        index: ("UNIQUE " if is_unique else "") + definition[definition.index(" USING ") + 1 :]
        for index, is_unique, definition in connection.execute(text(_INDEXES), given)
    }
    key = next(iter(found["p"].values()), "")
    return Shape(columns, key, found["c"], found["u"], found["x"], indexes, enums=enums)


@contextmanager
def knowing_indexes() -> Iterator[None]:
    """Let nobody warn of indexes on expressions, which SQLAlchemy does not reflect from SQLite:
    their text is read here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*expression-based index")
        yield


def _read_sqlite(connection: Connection, name: str) -> Shape:
    look = inspect(connection)
    look.clear_cache()
    checks = [each["sqltext"] for each in look.get_check_constraints(name)]
    names = [each["name"] for each in look.get_check_constraints(name)]
    quoted = connection.dialect.identifier_preparer.quote(name)
    computed = {
        each["name"]: f"{plain(each['computed']['sqltext'])} "
        f"{'s' if each['computed'].get('persisted') else 'v'}"
        for each in look.get_columns(name)
        if "computed" in each
    }
    columns = {
        row[1]: ColumnShape(_type_of(row[2]), _default_of(row[4], row[2]), computed.get(row[1]))
        for row in connection.exec_driver_sql(f"PRAGMA table_xinfo({quoted})")
    }
    indexes = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE tbl_name = :n AND type = 'index'"),
        {"n": name},
    )
    return Shape(
        columns,
        _list(look.get_pk_constraint(name)["constrained_columns"]),
        {
            each or str(number): plain(said)
            for number, (each, said) in enumerate(zip(names, checks, strict=True))
        },
        _uniques_of(connection, name),
        {},
        {index: _index_of(sql) for index, sql in indexes if sql is not None},
        _actions_of(connection, quoted),
    )


def _uniques_of(connection: Connection, name: str) -> dict[str, str]:
    """The unique constraints. SQLAlchemy reads their names from the text of the table, and
    overlooks some spellings, so the list is SQLite's own."""
    with knowing_indexes():
        reflected = inspect(connection).get_unique_constraints(name)
    names = {tuple(each["column_names"]): each["name"] for each in reflected}
    found: dict[str, str] = {}
    quote = connection.dialect.identifier_preparer.quote_identifier
    for row in list(connection.exec_driver_sql(f"PRAGMA index_list({quote(name)})")):
        if row[3] == "u":
            parts = connection.exec_driver_sql(f"PRAGMA index_info({quote(row[1])})")
            columns = [part[2] for part in parts]
            found[str(names.get(tuple(columns)) or len(found))] = f"UNIQUE ({_list(columns)})"
    return found


def _actions_of(connection: Connection, quoted: str) -> dict[str, tuple[str, str]]:
    """ON DELETE and ON UPDATE of the foreign keys, by their columns."""
    keys: dict[int, list[str]] = {}
    actions: dict[int, tuple[str, str]] = {}
    for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list({quoted})"):
        keys.setdefault(row[0], []).append(row[3])
        actions[row[0]] = (row[6], row[5])
    return {_list(sorted(columns)): actions[number] for number, columns in keys.items()}


_NUMBER = re.compile(r"'(-?\d+(?:\.\d+)?)'(?:::[\w ]+)?")


def plain_number(default: str, kind: str) -> str:
    """A default of a column of numbers without the quotes that change nothing."""
    matched = _NUMBER.fullmatch(default.strip("()"))
    is_text = any(word in kind.lower() for word in ("char", "text", "clob", "blob", "bytea"))
    return default if is_text or matched is None else matched[1]


def _default_of(default: str | None, kind: str) -> str | None:
    return None if default is None else plain_number(plain(default), kind)


_SYNONYMS = {
    "int": "integer",
    "mediumint": "integer",
    "character": "char",
    "nchar": "char",
    "nvarchar": "varchar",
    "varying": "varchar",
    "clob": "text",
    "timestamp": "datetime",
    "decimal": "numeric",
    "real": "float",
    "double": "float",
    "bool": "boolean",
}
"""Names of types between which SQLite makes no difference, and other databases hardly one."""


def _type_of(declared: str) -> str:
    name, *rest = plain(declared).split() or [""]
    others = [each for each in rest if each not in ("precision", "varying")]
    if name == "character" and "varying" in rest:
        name = "varchar"
    return " ".join([_SYNONYMS.get(name, name), *others])


def _list(columns: list[str]) -> str:
    return ", ".join(columns)


def _index_of(sql: str) -> str:
    """The definition of an index, without its name and its table."""
    said = plain(sql)
    start, _, rest = said.partition(" on ")
    return ("UNIQUE " if "unique" in start.split() else "") + rest[rest.index("(") :]
