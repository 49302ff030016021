"""Policies that are missing, or are others, are found, told and cured."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

from tests.tenancy.campus.models import TABLES, Lecture
from tests.tenancy.campus_house import engine_of, secure_campus, tenants_of_campus
from tests.tenancy.securing import ROLE
from trivet.migrations.policies import (
    DropPolicyOp,
    SecureRowsOp,
    find_security_faults,
    secure,
)
from trivet.rules.policies import POLICY, policies_of

pytestmark = pytest.mark.database("postgresql")

LECTURE = "campus_lecture"


@pytest.fixture
def engine(campus_url: str) -> Iterator[Engine]:
    secure_campus(campus_url)
    engine = engine_of(f"{campus_url}?options=-crole%3Dnone")
    yield engine
    engine.dispose()


def compare(connection: Connection) -> list[SecureRowsOp]:
    """What a revision would do."""
    policies = policies_of(tenants_of_campus())
    tables: list[Any] = [model.__table__ for model in TABLES]
    found = (secure(connection, table, policies.get(table.key), is_new=False) for table in tables)
    return [each for each in found if each is not None]


def apply(connection: Connection, operation: SecureRowsOp) -> None:
    if operation.now.using is not None:
        for statement in DropPolicyOp(operation.table).statements():
            connection.exec_driver_sql(statement)
    with Operations.context(MigrationContext.configure(connection)) as op:
        for statement in operation.statements():
            op.execute(statement)


def test_policies_as_the_rules_want_them_differ_in_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare(connection) == []


SPOILT = {
    "no policy": (f"DROP POLICY {POLICY} ON {LECTURE}", "has no policy"),
    "another condition": (f"ALTER POLICY {POLICY} ON {LECTURE} USING (true)", "another policy"),
    "a check besides": (f"ALTER POLICY {POLICY} ON {LECTURE} WITH CHECK (true)", "another policy"),
    "for some": (f"ALTER POLICY {POLICY} ON {LECTURE} TO {ROLE}", "another policy"),
    "disabled": (f"ALTER TABLE {LECTURE} DISABLE ROW LEVEL SECURITY", "not enabled"),
    "not of the owner": (f"ALTER TABLE {LECTURE} NO FORCE ROW LEVEL SECURITY", "not forced"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_was_changed_by_hand_is_told_and_cured(engine: Engine, spoilt: str) -> None:
    statement, told = SPOILT[spoilt]
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)

        (found,) = compare(connection)

        assert told in found.info["sentence"]
        assert LECTURE in found.info["sentence"]
        apply(connection, found)
        assert compare(connection) == []


def test_a_policy_whose_rule_is_gone_is_dropped_and_comes_back(engine: Engine) -> None:
    with engine.begin() as connection:
        found = secure(connection, Lecture.__table__, None, is_new=False)  # type: ignore[arg-type]  # a Table
        assert found is not None
        apply(connection, found)
        (missing,) = compare(connection)
        apply(connection, found.reverse())
        assert compare(connection) == []
    assert missing.table == LECTURE


FAULTS = {
    "superuser": ("ALTER ROLE {role} SUPERUSER", "NOSUPERUSER", "is a superuser"),
    "bypassing": ("ALTER ROLE {role} BYPASSRLS", "NOBYPASSRLS", "BYPASSRLS"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_role_of_which_nothing_is_asked_is_told(
    engine: Engine, campus_url: str, fault: str
) -> None:
    """Of a role that no other test stands on, because roles are those of the whole server."""
    given, taken, told = FAULTS[fault]
    role = f"campus_{fault}"
    policies = policies_of(tenants_of_campus())
    address = f"{campus_url}?options=-crole%3D{role}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(given.format(role=role))
    try:
        (found,) = find_security_faults(address, policies)
        assert told in found
        with engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER ROLE {role} {taken}")
        assert list(find_security_faults(address, policies)) == []
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP ROLE {role}")


def test_a_policy_that_opens_other_rows_is_told(engine: Engine, campus_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE POLICY wide ON {LECTURE} USING (true)")

    (found,) = find_security_faults(campus_url, policies_of(tenants_of_campus()))

    assert found.startswith(f"the policy wide of the table {LECTURE} opens")
