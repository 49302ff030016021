"""What Django may execute itself: an allow-list."""

import pytest

from trivet.features import Feature

pytestmark = pytest.mark.usefixtures("stock")

ALLOWED = (
    "SELECT * FROM stock_item",
    "select 1",
    "  (SELECT 1) UNION (SELECT 2)",
    "-- a remark\nSELECT 1 -- INSERT INTO stock_item",
    "SELECT 'DELETE FROM stock_item; --'",
    'SELECT "update" FROM stock_item FOR UPDATE',
    "SELECT 1 FROM stock_item FOR NO KEY UPDATE SKIP LOCKED",
    "WITH found AS (SELECT 1) SELECT * FROM found",
    "EXPLAIN SELECT 1",
    'SELECT name AS "it\'s" FROM stock_item',
    r"SELECT E'it\'s DELETE FROM stock_item'",
    "UPDATE OR IGNORE auth_group SET name = 1",
    "ROLLBACK TRANSACTION TO SAVEPOINT a",
    "VALUES (1)",
    "BEGIN IMMEDIATE",
    "ROLLBACK TO SAVEPOINT a",
    "SAVEPOINT a",
    "RELEASE SAVEPOINT a",
    "PRAGMA table_info(stock_item)",
    "PRAGMA foreign_keys = OFF",
    'INSERT INTO "django_session" ("session_key") VALUES (1)',
    'INSERT OR IGNORE INTO "auth_group" ("name") VALUES (1)',
    "insert into auth_group(name) values (1)",
    'UPDATE "accounts_user" SET "email" = 1',
    'DELETE FROM "accounts_user_groups" WHERE id = 1',
    'DELETE FROM "django_admin_log";',
    "INSERT INTO django_migrations (app) VALUES (1)",
)

REFUSED = (
    "UPDATE stock_item SET quantity = 0",
    "/* a remark */ UPDATE stock_item SET quantity = 0",
    "-- a remark\nDELETE FROM stock_item",
    'INSERT INTO "stock_item" (name) VALUES (1)',
    'INSERT INTO "trivet_publication" (data) VALUES (1)',
    "WITH gone AS (DELETE FROM stock_item RETURNING *) SELECT * FROM gone",
    "WITH a AS (SELECT 1) UPDATE stock_item SET quantity = 0",
    "EXPLAIN ANALYZE DELETE FROM stock_item",
    "SELECT 1; DELETE FROM stock_item",
    "SELECT * INTO copy FROM stock_item",
    "MERGE INTO stock_item USING stock_tag ON true WHEN MATCHED THEN DELETE",
    "DROP TABLE stock_item",
    "TRUNCATE accounts_user",
    "ALTER TABLE stock_item ADD COLUMN x int",
    "COPY stock_item FROM STDIN",
    "DO $$ BEGIN DELETE FROM stock_item; END $$",
    "REPLACE INTO stock_item (id) VALUES (1)",
    "UPDATE public.stock_item SET quantity = 0",
    "PRAGMA writable_schema = ON",
    "VACUUM",
    "CALL wipe()",
    "COMMIT",
    "ROLLBACK",
    "ROLLBACK WORK",
    "END",
    "ROLLBACK; BEGIN",
    'DELETE FROM "public"."auth_group"',
    "UPDATE OR IGNORE stock_item SET quantity = 0",
    "INSERT INTO auth_group WITH d AS (DELETE FROM stock_item RETURNING name) SELECT * FROM d",
    "SELECT 1 /* a /* b */ c */ ; DELETE FROM stock_item",
    "SELECT 'no end",
    'UPDATE U&"stock\\005fitem" SET quantity = 0',
    "",
    ";",
    "-- nothing but a remark",
)


@pytest.mark.parametrize("sql", ALLOWED)
def test_a_read_a_transactions_control_or_a_write_of_djangos_own_is_allowed(sql: str) -> None:
    from trivet_admin.backends.guard import require_allowed

    require_allowed(sql)


@pytest.mark.parametrize("sql", REFUSED)
def test_anything_else_is_refused(sql: str) -> None:
    from django.db import NotSupportedError

    from trivet_admin.backends.guard import require_allowed

    with pytest.raises(NotSupportedError, match="refused, because it"):
        require_allowed(sql)


def test_a_cursor_of_djangos_is_guarded(shelves: None) -> None:
    from django.db import NotSupportedError, connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM stock_item ORDER BY id")
        assert cursor.fetchone() == ("Hammer",)
        with pytest.raises(NotSupportedError, match=r"unit_session.*a Django model of your own"):
            cursor.execute("UPDATE stock_item SET quantity = %s", [0])
        with pytest.raises(NotSupportedError):
            cursor.executemany("DELETE FROM stock_item WHERE id = %s", [[1], [2]])


def test_a_migration_may_change_the_schema(stock: tuple[Feature, ...]) -> None:
    from django.db import NotSupportedError, connection

    with connection.schema_editor() as editor:
        editor.execute("CREATE TABLE passing (id integer)")
        editor.execute("DROP TABLE passing")
    with pytest.raises(NotSupportedError), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE passing (id integer)")
