"""What a statement does, told from its text: no write is missed, and no name taken for one."""

import pytest

from trivet.capture.sql import Write, read_statement


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("INSERT INTO item (a) VALUES (1)", [("INSERT", "item")]),
        ('insert or ignore into "it""em" VALUES (1)', [("INSERT", 'it"em')]),
        ("UPDATE ONLY public.item AS i SET a = 1", [("UPDATE", "item")]),
        ("UPDATE OR IGNORE item SET a = 1", [("UPDATE", "item")]),
        ("DELETE FROM item", [("DELETE", "item")]),
        ("WITH x AS (SELECT 1) DELETE FROM item", [("DELETE", "item")]),
        ("WITH x AS (DELETE FROM item RETURNING *) SELECT * FROM x", [("DELETE", "item")]),
        ("SELECT 1; DELETE FROM item", [("DELETE", "item")]),
        ("EXPLAIN ANALYZE DELETE FROM item", [("DELETE", "item")]),
        ("EXPLAIN (ANALYZE) UPDATE item SET a = 1", [("UPDATE", "item")]),
        ("MERGE INTO item USING b ON true WHEN MATCHED THEN DELETE", [("MERGE", "item")]),
        ("INSERT INTO item VALUES (1) ON CONFLICT DO UPDATE SET a = 1", [("INSERT", "item")]),
        ("INSERT INTO scratch (id, update, delete) VALUES (1)", [("INSERT", "scratch")]),
        ("TRUNCATE item", [("TRUNCATE", None)]),
        ("COPY item FROM STDIN", [("COPY", None)]),
        ("PREPARE p AS DELETE FROM item", [("PREPARE", None)]),
        (r"SELECT E'\'' ; DELETE FROM item WHERE x = 'a'", [("DELETE", "item")]),
        ("SELECT 1 AS \"it's\"; DELETE FROM item; SELECT 'x'", [("DELETE", "item")]),
        ("SELECT 'DELETE FROM item' /* DELETE FROM item */ -- DELETE FROM item", []),
        ("SELECT $x$ DELETE FROM item $x$", []),
        ("SELECT acl.id, acl.update, acl.delete, acl.insert, acl.merge FROM acl", []),
        ("SELECT acl.id AS update, count(delete) AS delete FROM acl", []),
        ("SELECT id FROM acl WHERE (update = 1) OR (delete IS NULL)", []),
        ("SELECT id FROM item FOR UPDATE", []),
        ("SELECT id FROM item FOR NO KEY UPDATE", []),
        ("COPY (SELECT * FROM item) TO STDOUT", []),
        ("COPY item TO STDOUT", []),
        ("EXPLAIN DELETE FROM item", []),
        ("SAVEPOINT a", []),
    ],
)
def test_every_write_is_found_with_its_table_and_nothing_else(
    sql: str, writes: list[tuple[str, str | None]]
) -> None:
    assert read_statement(sql).writes == tuple(Write(verb, table) for verb, table in writes)


@pytest.mark.parametrize(
    ("sql", "is_query"),
    [
        ("SELECT 1", True),
        ("(SELECT 1) UNION (SELECT 2)", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("VALUES (1)", True),
        ('SELECT "into" FROM item', True),
        ("SELECT 'into'", True),
        ("SELECT id INTO made FROM item", False),
        ("CREATE TABLE made AS SELECT 1", False),
        ("WITH x AS (DELETE FROM item RETURNING *) SELECT * FROM x", False),
        ("SET search_path = nowhere", False),
        ("REFRESH MATERIALIZED VIEW v", False),
        ("", False),
    ],
)
def test_a_plain_query_is_told_from_all_else(sql: str, is_query: bool) -> None:
    assert read_statement(sql).is_query is is_query
