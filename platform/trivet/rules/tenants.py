"""Tenants: a row rule with a name, said once for all classes whose rows belong to somebody.

A feature's ``rules.py``::

    @tenant("school", {School: "id", Course: "school_id", Lesson: "course.school_id"})
    def schools_of(actor: Identity) -> Tenants:
        if actor.is_superuser:
            return EVERY_TENANT
        return select(Member.school_id).where(Member.user_id == actor.user_id)

It is what `visible` is: every door asks it. And it judges changes: a row stays in its tenant, and
nobody writes rows of another one. With ``row_security=True`` PostgreSQL asks it too
(`trivet.rules.row_security`).
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Table, inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.selectable import SelectBase

from trivet.errors import ConfigurationError
from trivet.identity.identity import Identity
from trivet.models.views import is_migrated
from trivet.rules.conditions import without_nobody
from trivet.rules.declaring import mark, no_attribute
from trivet.rules.tenant_paths import TenantPath, TenantPathError, path_of
from trivet.rules.visibility import ask, named


class _Every(Enum):
    EVERY_TENANT = "every tenant"


EVERY_TENANT: Final = _Every.EVERY_TENANT
"""What a rule returns for an actor who sees, and writes, rows of all tenants."""

EveryTenant: TypeAlias = Literal[_Every.EVERY_TENANT]
TenantKey: TypeAlias = int | str | UUID
Tenants: TypeAlias = "EveryTenant | TenantKey | Collection[TenantKey] | SelectBase | None"
"""The tenants of an actor: one key, several, a query of them, `EVERY_TENANT`, or None."""
Said: TypeAlias = "EveryTenant | tuple[TenantKey, ...] | SelectBase"
"""The same, in one form."""

F = TypeVar("F", bound=Callable[[Identity], Any])

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class InTenant:
    """A declaration: rows of `model` belong to a tenant of the kind `name`, which they name by
    `path`."""

    function: Callable[[Identity], Any]
    model: type[Any]
    name: str
    path: str
    row_security: bool = False
    argument: str = field(default="actor", compare=False)

    def faults(self, subject: str, mapper: Mapper[Any]) -> Iterator[str]:
        """What is wrong with its name and its path."""
        if not _NAME.fullmatch(self.name):
            yield (
                f"The rule {subject} has the name {self.name!r}: write small letters, digits and "
                "underscores, such as @tenant('school', {…})."
            )
        table = mapper.local_table
        if self.row_security and not (isinstance(table, Table) and is_migrated(table)):
            yield (
                f"The rule {subject} asks for row security of {mapper.class_.__name__}, whose rows "
                "are in no table that Trivet's migrations make: declare that class without it."
            )
        try:
            path_of(mapper, self.path)
        except TenantPathError as error:
            yield (
                no_attribute(subject, error.mapped, error.name, error.names)
                if error.names
                else f"The rule {subject} reaches its tenant from {mapper.class_.__name__} by "
                f"{self.path!r}, and {error}"
            )

    @property
    def way(self) -> TenantPath:
        """The way from a row to the key of its tenant."""
        return path_of(inspect(self.model), self.path)

    def condition(self, actor: Identity) -> ColumnElement[bool] | bool:
        """Which rows are of the tenants of `actor`, as `visible` says it."""
        said = said_by(self.function, actor)
        if said is EVERY_TENANT:
            return True
        if isinstance(said, tuple) and not said:
            return False
        return self.way.condition(said)


def tenant(
    name: str, classes: Mapping[type[Any], str], *, row_security: bool = False
) -> Callable[[F], F]:
    """Declare, in a feature's ``rules.py``, to which tenant rows belong, and which ones an actor
    has.

    The function takes the actor and returns the key of its tenant, several keys, a query that
    selects them, None for nothing, or `EVERY_TENANT`. The product's own work (``kind="system"``)
    has every tenant, and the function is not asked.

    What holds then, by itself:

    - Every door shows rows of these tenants alone, as with `visible`.
    - A change of another tenant's row is refused, whatever makes it, and so is a row that would
      move into another tenant. Those who have every tenant may move it.
    - A new row that names no tenant gets that of an actor who has a single one.

    `across_tenants` lifts it for a part of a service.

    Args:
        name: What a tenant is called, in errors and in the database: ``school``.
        classes: The mapped classes, each with the attribute that holds the key of the tenant, or
            with a way to it over parents: ``"school_id"``, ``"course.school_id"``. Subclasses
            inherit it. Another feature adds its classes by decorating the same function again.
        row_security: Let PostgreSQL ask the same of every statement, by policies that
            ``trivet makemigrations`` writes. SQLite knows none.

    Returns:
        The decorator, which returns the function itself.
    """

    def declare(function: F) -> F:
        for model, path in classes.items():
            mark(function, InTenant(function, model, name, path, row_security))
        return function

    return declare


def said_by(function: Callable[[Identity], Any], actor: Identity) -> Said:
    """What a rule says of `actor`, in one form.

    Raises:
        ConfigurationError: It says something else.
    """
    if actor.kind == "system":
        return EVERY_TENANT
    return _in_one_form(function, ask(function, actor))


def asked_alone(function: Callable[[Identity], Any], actor: Identity) -> Said:
    """The same, for a query that stands alone: who has no id is none of those without one."""
    said = said_by(function, actor)
    if actor.user_id is not None or not isinstance(said, SelectBase):
        return said

    def again(nobody: int) -> Any:
        return said_by(function, replace(actor, user_id=nobody))

    found: SelectBase = without_nobody(said, again)
    return found


def _in_one_form(function: Callable[[Identity], Any], says: Any) -> Said:
    match says:
        case None:
            return ()
        case _Every():
            return EVERY_TENANT
        case SelectBase() if len(says.selected_columns) == 1:
            return says
        case bool() | SelectBase():
            pass
        case int() | str() | UUID():
            return (says,)
        case Collection() if all(_is_key(each) for each in says):
            return tuple(dict.fromkeys(says))
    kind = "a query of several columns" if isinstance(says, SelectBase) else type(says).__name__
    raise ConfigurationError(
        "rule",
        f"The rule {named(function)} returned {kind} for the tenants of an actor: return a key, "
        "several keys, a query such as select(Member.school_id).where(…), EVERY_TENANT, or None.",
    )


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str | UUID) and not isinstance(value, bool)


def faults_together(declared: Collection[InTenant]) -> Iterator[str]:
    """What is wrong with several declarations taken together: two functions of one name, or two
    ways of one class."""
    by_name: dict[str, InTenant] = {}
    by_class: dict[tuple[str, type[Any]], InTenant] = {}
    for each in declared:
        first = by_name.setdefault(each.name, each)
        if first.function is not each.function:
            yield (
                f"The rules {named(first.function)} and {named(each.function)} are both about "
                f"tenants called {each.name!r}: give one of them another name, or decorate the "
                "first function again with the classes of the second."
            )
        same = by_class.setdefault((each.name, each.model), each)
        if same.path != each.path:
            yield (
                f"The rule {named(each.function)} reaches the tenant of {each.model.__name__} by "
                f"{same.path!r} and by {each.path!r}: leave one of them out."
            )
