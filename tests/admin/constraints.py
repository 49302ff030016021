"""Constraints that are checked late."""

from sqlalchemy import text

from tests.admin.house import House


async def defer_a_constraint(house: House, database_kind: str) -> None:
    """Make a saved item contradict the data, which only the COMMIT finds out."""
    async with house.platform.database.engine.begin() as connection:
        if database_kind == "sqlite":
            statements = [
                "CREATE TABLE checked (item_id INTEGER REFERENCES stock_tag(id) "
                "DEFERRABLE INITIALLY DEFERRED)",
                "CREATE TRIGGER check_late AFTER UPDATE ON stock_item "
                "BEGIN INSERT INTO checked VALUES (4711); END",
            ]
        else:
            statements = [
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE unique_violation USING MESSAGE = 'found out late'; END $$",
                "CREATE CONSTRAINT TRIGGER check_late AFTER UPDATE ON stock_item "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
            ]
        for statement in statements:
            await connection.execute(text(statement))
