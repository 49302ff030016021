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
        ("EXPLAIN ANALYZE VERBOSE DELETE FROM item", [("DELETE", "item")]),
        ('UPDATE "ignore" SET a = 1', [("UPDATE", "ignore")]),
        ('DELETE FROM "public"."item"', [("DELETE", "item")]),
        ('DELETE FROM Public . "It em" WHERE a = 1', [("DELETE", "It em")]),
        ("UPDATE ONLY (item) SET a = 1", [("UPDATE", None)]),
        ("DELETE FROM [item]", [("DELETE", None)]),
        (
            "INSERT INTO a WITH d AS (DELETE FROM b RETURNING *) SELECT * FROM d",
            [("INSERT", "a"), ("DELETE", "b")],
        ),
        ("SELECT a$q$, 1; DELETE FROM item; SELECT b$q$", [("DELETE", "item")]),
        ("SELECT $1, $2; DELETE FROM item WHERE a = $1", [("DELETE", "item")]),
        (r"SELECT E'\\'; DELETE FROM item; --'", [("DELETE", "item")]),
        ("SELECT $$ it's $$; DELETE FROM item", [("DELETE", "item")]),
        ("SELECT 1 --\rDELETE\n; DELETE FROM item", [("DELETE", "item")]),
        ("SELECT name AS \"it's\", 'DELETE FROM item' FROM other", []),
    ],
)
def test_every_write_is_found_with_its_table_and_nothing_else(
    sql: str, writes: list[tuple[str, str | None]]
) -> None:
    assert [(each.verb, each.table) for each in read_statement(sql).writes] == writes


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


@pytest.mark.parametrize(
    "sql",
    [
        "/* a /* b */ c */ DELETE FROM item",
        "SELECT 'no end; DELETE FROM item",
        'SELECT "no end',
        "SELECT 1 /* no end",
        r'DELETE FROM U&"it\0065m"',
    ],
)
def test_what_cannot_be_read_is_a_write_of_an_unknown_table(sql: str) -> None:
    read = read_statement(sql)
    assert read.is_opaque
    assert read.writes[-1] == Write("?", None)
    assert not read.is_query


@pytest.mark.parametrize(
    ("sql", "ends"),
    [
        ("COMMIT", True),
        ("/* really */ commit work", True),
        ("SELECT 1; ROLLBACK", True),
        ("ROLLBACK AND CHAIN", True),
        ("END", True),
        ("ABORT", True),
        ("PREPARE TRANSACTION 'x'", True),
        ("ROLLBACK TO SAVEPOINT a", False),
        ("ROLLBACK WORK TO a", False),
        ("RELEASE SAVEPOINT a", False),
        ("SELECT CASE WHEN a THEN 1 END FROM item", False),
        ("SELECT 'x'; SELECT commit FROM item", False),
        ("UPDATE OR ROLLBACK item SET a = 1", False),
        ("CREATE TRIGGER t BEFORE INSERT ON a BEGIN SELECT 1; END", False),
        ("CREATE TRIGGER t BEFORE INSERT ON a BEGIN SELECT 1; END; COMMIT", True),
    ],
)
def test_the_end_of_a_transaction_is_told_from_a_savepoints(sql: str, ends: bool) -> None:
    assert read_statement(sql).ends_transaction is ends
