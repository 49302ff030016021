"""Policies in a database of a test, and a role of which PostgreSQL asks them. The role of the tests
is a superuser, of whom it asks nothing."""

from collections.abc import Mapping

from sqlalchemy import Connection, create_engine

from trivet.rules.policies import POLICY, Policy

ROLE = "trivet_plain"


def make_role(connection: Connection) -> None:
    """Make the role, unless another test of this server has."""
    connection.exec_driver_sql(
        f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )


def secure(url: str, policies: Mapping[str, Policy]) -> None:
    """Make `policies`, and let every new session of the database at `url` be of the role."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        make_role(connection)
        for table, policy in policies.items():
            made = f"CREATE POLICY {POLICY} ON {table} USING ({policy.using})"
            connection.exec_driver_sql(made.replace("%", "%%"))
            for verb in ("ENABLE", "FORCE"):
                connection.exec_driver_sql(f"ALTER TABLE {table} {verb} ROW LEVEL SECURITY")
        for kind in ("TABLES", "SEQUENCES"):
            connection.exec_driver_sql(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {ROLE}")
        connection.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET role TO {ROLE}')
    engine.dispose()
