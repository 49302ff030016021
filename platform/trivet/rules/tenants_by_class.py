"""The declarations of tenants of all features, by class."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Table, TextClause, inspect
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.sql import visitors

from trivet.errors import TrivetError
from trivet.identity.identity import Identity
from trivet.models.filled_columns import mark_filled
from trivet.models.mapped import our_tables
from trivet.models.views import is_view
from trivet.rules import tenant_changes
from trivet.rules.change import Change
from trivet.rules.tenants import InTenant


class TenantsByClass:
    """What belongs to tenants.

    Attributes:
        declared: All declarations, in their order.
        secured: Those that PostgreSQL asks too.
        tables: The tables that it asks about.
    """

    def __init__(self) -> None:
        self.declared: list[InTenant] = []
        self.secured: Sequence[InTenant] = ()
        self.tables: frozenset[Table] = frozenset()
        self._names: frozenset[str] = frozenset()

    def add(self, declared: InTenant) -> bool:
        """Add a declaration; whether it is new."""
        if declared in self.declared:
            return False
        self.declared.append(declared)
        self.secured = tuple(each for each in self.declared if each.row_security)
        self.tables = frozenset(table for each in self.secured for table in _tables_of(each.model))
        views = (str(table.name) for table in our_tables() if is_view(table))
        self._names = frozenset({*(str(table.name) for table in self.tables), *views})
        return True

    def of(self, model: type[Any]) -> list[InTenant]:
        """The declarations of a class and of those that it is derived from."""
        return [each for each in self.declared if issubclass(model, each.model)]

    @property
    def secures(self) -> bool:
        """Whether PostgreSQL asks about any rows."""
        return bool(self.secured)

    def concern(self, statement: ClauseElement) -> bool:
        """Whether a statement may be about rows of which PostgreSQL asks."""
        return any(
            isinstance(each, TextClause) or (isinstance(each, Table) and each.name in self._names)
            for each in visitors.iterate(statement)
        )

    def mentions(self, sql: str) -> bool:
        """Whether a statement may be about rows of which PostgreSQL asks. One that reads them only
        in a function of the database's own says nothing of it, and finds none."""
        return any(name in sql for name in self._names)

    def fill(self, session: Session, actor: Identity | None) -> None:
        """Give the new rows of `session` their tenants, where they name none."""
        tenant_changes.forget_known(session)
        if actor is None or not self.declared:
            return
        for instance in session.new:
            if declared := self.of(type(instance)):
                try:
                    tenant_changes.fill(declared, session, instance, actor)
                except TrivetError as error:
                    error.subject = error.subject or type(instance)
                    raise

    def mark_columns(self) -> None:
        """Let forms and schemas know that nobody has to give what is filled."""
        for each in self.declared:
            way = each.way
            if not way.parents and not way.is_own_key:
                mark_filled(way.mapper.column_attrs[way.key].columns)

    @staticmethod
    def seen_by(declared: InTenant) -> Callable[[Identity], ColumnElement[bool] | bool]:
        """The function of a rule about which rows one sees."""

        def of_tenants(actor: Identity) -> ColumnElement[bool] | bool:
            return declared.condition(actor)

        _name_like(of_tenants, declared)
        return of_tenants

    @staticmethod
    def judging(declared: InTenant) -> Callable[[Change[Any]], None]:
        """The function of a rule about changes."""
        judge = partial(tenant_changes.judge, declared)
        _name_like(judge, declared)
        return judge


def _name_like(function: Any, declared: InTenant) -> None:
    """Give `function` the name of the rule that a feature has written."""
    function.__module__ = declared.function.__module__
    function.__qualname__ = declared.function.__qualname__


def _tables_of(model: type[Any]) -> Collection[Table]:
    """The tables of a class and of its subclasses, without those of classes above it."""
    mapper: Mapper[Any] = inspect(model)
    found = (each.local_table for each in mapper.self_and_descendants)
    return {each for each in found if isinstance(each, Table)}
