"""Row security of PostgreSQL in revisions: policies are compared, made and dropped with the tables.

A policy is compared in the words of its database. The wanted one is made for a moment on a
temporary copy of the table, of the same name, in a transaction that is rolled back; nobody else
sees it, and the table itself is not locked.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, ops
from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from trivet.data.single_connection import connect
from trivet.features import Feature, modules_of
from trivet.migrations.conversions import POSTGRESQL, SENTENCE
from trivet.rules.declaring import declared_in
from trivet.rules.policies import POLICY, Policy, policies_of
from trivet.rules.tenants import InTenant

logger = logging.getLogger(__name__)

_quote = POSTGRESQL.identifier_preparer.quote

_READ = """
SELECT c.relrowsecurity, c.relforcerowsecurity, p.polname, p.polpermissive, p.polcmd, p.polroles,
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid
WHERE c.oid = to_regclass(:name)
"""


def wanted_policies(features: Iterable[Feature]) -> Mapping[str, Policy]:
    """The policies that the tenants of `features` ask for, by the keys of their tables."""
    marks = (each for _, module in modules_of(features, "rules") for each in declared_in(module))
    tenants = (each for each in marks if isinstance(each, InTenant) and each.row_security)
    return policies_of(dict.fromkeys(tenants))


@dataclass(frozen=True, slots=True)
class RowSecurity:
    """The row security of a table, as PostgreSQL keeps it.

    Attributes:
        is_enabled: Whether policies are asked at all.
        is_forced: Whether they are asked of the owner of the table too.
        using: The condition of our policy; None without one.
        is_plain: Whether our policy is for everybody, all statements, and one of those that open
            rows, as we make it.
        others: The names of policies that open more rows beside it.
    """

    is_enabled: bool = False
    is_forced: bool = False
    using: str | None = None
    is_plain: bool = True
    others: tuple[str, ...] = ()

    def faults(self, wanted: str) -> Iterator[str]:
        """What keeps it from showing just the rows of `wanted`, the same condition in the same
        words: the ends of sentences that begin with the name of the table."""
        if self.using is None:
            yield "has no policy"
        elif self.using != wanted or not self.is_plain:
            yield "has another policy"
        if not self.is_enabled:
            yield "does not ask its policy, because row security is not enabled"
        if not self.is_forced:
            yield "does not ask its policy of its owner, because row security is not forced"


def read_row_security(connection: Connection, name: str) -> RowSecurity:
    """The row security of a table that PostgreSQL writes as `name`."""
    found = RowSecurity()
    others: list[str] = []
    for enabled, forced, policy, permissive, command, roles, using, check in connection.execute(
        text(_READ), {"name": name}
    ):
        found = RowSecurity(enabled, forced, found.using, found.is_plain)
        if policy == POLICY:
            is_plain = permissive and command in ("*", b"*") and list(roles) == [0] and not check
            found = RowSecurity(enabled, forced, using, is_plain)
        elif policy is not None and permissive:
            others.append(policy)
    return RowSecurity(
        found.is_enabled, found.is_forced, found.using, found.is_plain, tuple(sorted(others))
    )


@dataclass(frozen=True, slots=True)
class ComparedSecurity:
    """A table's row security, and the condition that it should have, in the database's words: empty
    if it reads what is not there yet, None if it cannot be said."""

    now: RowSecurity
    wanted: str | None


_NOT_THERE = ("42703", "42P01")
"""undefined_column and undefined_table."""


def compare_security(connection: Connection, table: Table, policy: Policy) -> ComparedSecurity:
    """Read a table's row security beside what `policy` asks for."""
    name, wanted = name_of(table), None
    savepoint = connection.begin_nested()
    try:
        schema = table.schema or connection.exec_driver_sql("SELECT current_schema()").scalar()
        copy = f"pg_temp.{_quote(table.name)}"
        real = f"{_quote(str(schema))}.{_quote(table.name)}"
        for statement in (
            f"CREATE TEMPORARY TABLE {_quote(table.name)} (LIKE {real})",
            f"CREATE POLICY {POLICY} ON {copy} USING ({policy.using})",
        ):
            connection.exec_driver_sql(statement.replace("%", "%%"))
        wanted = read_row_security(connection, copy).using
        # At the same moment, because a table of the same name changes how others are called.
        return ComparedSecurity(read_row_security(connection, real), wanted)
    except DBAPIError as error:
        logger.debug("the policy of %s cannot be built for a moment: %s", name, error)
        wanted = "" if getattr(error.orig, "sqlstate", "") in _NOT_THERE else None
    finally:
        savepoint.rollback()
    return ComparedSecurity(read_row_security(connection, name), wanted)


def name_of(table: Table) -> str:
    """The name of a table as a statement has it."""
    schema = f"{_quote(table.schema)}." if table.schema else ""
    return f"{schema}{_quote(table.name)}"


class SecureRowsOp(MigrateOperation):
    """Give a table another policy, or none.

    Attributes:
        table: Its name as a statement has it.
        now: What it has.
        wanted: The condition of its policy; None for no row security.
        reads: The keys of the tables that the policy reads.
    """

    def __init__(
        self,
        table: str,
        now: RowSecurity,
        wanted: str | None,
        reads: frozenset[str] = frozenset(),
    ) -> None:
        self.table = table
        self.now = now
        self.wanted = wanted
        self.reads = reads

    def reverse(self) -> "SecureRowsOp":
        """The way back."""
        then = RowSecurity(self.wanted is not None, self.wanted is not None, self.wanted)
        return SecureRowsOp(self.table, then, self.now.using, self.reads)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """As Alembic's own operations say what differs."""
        return ("modify_row_security", self.table, self.now, self.wanted)

    def statements(self) -> Iterator[str]:
        """The SQL of PostgreSQL, behind that which drops the policy of now."""
        alter = f"ALTER TABLE {self.table}"
        if self.wanted is None:
            yield f"{alter} NO FORCE ROW LEVEL SECURITY"
            yield f"{alter} DISABLE ROW LEVEL SECURITY"
            return
        yield f"CREATE POLICY {POLICY} ON {self.table} USING ({self.wanted})"
        if not self.now.is_enabled:
            yield f"{alter} ENABLE ROW LEVEL SECURITY"
        if not self.now.is_forced:
            yield f"{alter} FORCE ROW LEVEL SECURITY"


class DropPolicyOp(MigrateOperation):
    """Drop the policy of a table, before the columns that it reads are changed."""

    def __init__(self, table: str) -> None:
        self.table = table

    def statements(self) -> Iterator[str]:
        """The SQL of PostgreSQL."""
        yield f"DROP POLICY {POLICY} ON {self.table}"


@renderers.dispatch_for(SecureRowsOp)
@renderers.dispatch_for(DropPolicyOp)
def _render(_context: Any, operation: SecureRowsOp | DropPolicyOp) -> list[str]:
    only = "if op.get_context().dialect.name == 'postgresql':"
    end = ""  # of the block, to the printer of Alembic, which indents by itself
    return [only, *(f"op.execute({each!r})" for each in operation.statements()), end]


def order_policies(upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> None:
    """Drop policies before anything else changes, and make them when all is there that they read,
    in both directions."""
    made: list[SecureRowsOp] = taken_from(upgrade, SecureRowsOp)
    taken_from(downgrade, SecureRowsOp)
    new = {each.table_name for each in upgrade.ops if isinstance(each, ops.CreateTableOp)}
    for each in made:
        if each.now.using is not None:
            upgrade.ops.insert(0, DropPolicyOp(each.table))
        upgrade.ops.append(each)
        if each.table.rpartition(".")[2].strip('"') in new:
            continue  # its policy goes with it
        back = each.reverse()
        if back.now.using is not None:
            downgrade.ops.insert(0, DropPolicyOp(back.table))
        downgrade.ops.append(back)


def taken_from(container: ops.OpContainer, *kinds: type[MigrateOperation]) -> list[Any]:
    """The operations of some kinds, which are no longer in `container`."""
    found: list[Any] = []
    for change in list(container.ops):
        if isinstance(change, ops.ModifyTableOps):
            found += [each for each in change.ops if isinstance(each, kinds)]
            change.ops = [each for each in change.ops if not isinstance(each, kinds)]
            if not change.ops:
                container.ops.remove(change)
    return found


def secure(
    connection: Connection, table: Table, policy: Policy | None, *, is_new: bool
) -> SecureRowsOp | None:
    """The operation that gives a table the policy that it should have; None if it has it. `is_new`
    says that the table is not there yet. What a database without policies has cannot be known."""
    name = name_of(table)
    if is_new:
        found = None if policy is None else SecureRowsOp(name, RowSecurity(), policy.using)
        return _told(found, policy, "")
    if connection.dialect.name != "postgresql":
        return None
    if policy is None:
        now = read_row_security(connection, name)
        found = None if now.using is None else SecureRowsOp(name, now, None)
        return _told(found, None, f"the table {table.key} has a policy of tenants in the database "
                     "and no tenants in the rules")  # fmt: skip
    compared = compare_security(connection, table, policy)
    wanted = compared.now.using or "" if compared.wanted is None else compared.wanted
    if not (faults := list(compared.now.faults(wanted))):
        return None
    told = f"the table {table.key}, whose rows belong to tenants, {' and '.join(faults)}"
    return _told(SecureRowsOp(name, compared.now, policy.using), policy, told)


def _told(found: SecureRowsOp | None, policy: Policy | None, sentence: str) -> SecureRowsOp | None:
    if found is not None:
        found.info[SENTENCE] = sentence
        found.reads = frozenset() if policy is None else policy.reads
    return found


_ROLE = "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
_CURE = (
    "let its address name a role that is neither a superuser nor has BYPASSRLS, and that owns the "
    "tables or has rights on them"
)


def find_security_faults(
    url: str, policies: Mapping[str, Policy], *, of_tables: bool = True
) -> Iterator[str]:
    """The reasons why PostgreSQL would not keep tenants apart for whoever connects by `url`, a
    sentence each, with the cure. It is asked by two statements, and reads no policy.

    Args:
        url: The address of the database, or of a replica.
        policies: The policies that there should be; without any, nothing can be wrong.
        of_tables: Whether to look at the tables too, which are the same for every role.
    """
    if not policies or url.startswith("sqlite"):
        return
    with connect(url) as connection:
        role, is_superuser, bypasses = connection.exec_driver_sql(_ROLE).one()
        if is_superuser:
            yield f"PostgreSQL asks no policy of {role}, which is a superuser: {_CURE}"
        elif bypasses:
            yield f"PostgreSQL asks no policy of {role}, which has BYPASSRLS: {_CURE}"
        if of_tables:
            for name in map(_as_in_statement, sorted(policies)):
                now = read_row_security(connection, name)
                for fault in now.faults(now.using or ""):
                    yield (
                        f"the table {name} {fault}: run `trivet makemigrations`, then `trivet "
                        "migrate`"
                    )
                for other in now.others:
                    yield (
                        f"the policy {other} of the table {name} opens rows of other tenants: drop "
                        "it, or make it AS RESTRICTIVE"
                    )


def _as_in_statement(key: str) -> str:
    return ".".join(_quote(part) for part in key.split("."))
