"""Row rules as conditions of SQL, for whichever class or alias somebody selects from.

A function says its condition over the class that it is declared on. Here it becomes one over what
is selected: a subclass with a table of its own, or an alias. And a row that is of a subclass with
rules of its own is judged by these also where its base is listed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Column,
    ColumnElement,
    Null,
    Select,
    and_,
    false,
    inspect,
    null,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.util import AliasedInsp
from sqlalchemy.sql import coercions, roles, visitors
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.sql.util import ClauseAdapter

from trivet.errors import ConfigurationError
from trivet.identity.identity import Identity
from trivet.rules.visibility import Visible, ask, named


def condition_of(
    own: Sequence[Visible], of_subclasses: Iterable[Visible], entity: Any, actor: Identity
) -> ColumnElement[bool] | None:
    """The condition for the rows of `entity`, a mapped class or an alias of one, that `actor` sees.

    Args:
        own: The row rules of the class and of those that it is derived from.
        of_subclasses: Those that subclasses add.
        entity: What is selected from.
        actor: Who asks.

    Returns:
        The condition; None if all rows are seen.
    """
    inspected: Any = inspect(entity)
    mapper: Mapper[Any] = inspected.mapper
    found = [_for_class(each, mapper, actor) for each in own]
    found += [_for_rows_of(each, mapper, actor) for each in of_subclasses]
    wanted = [each for each in found if each is not True]
    if not wanted:
        return None
    if any(each is False for each in wanted):
        return false()
    condition: ColumnElement[bool] = and_(*wanted)
    is_alias = isinstance(inspected, AliasedInsp)
    return _for_alias(entity, condition) if is_alias else condition


def keys_of(mapped: type[Any], condition: ColumnElement[bool] | None) -> Select[Any]:
    """The primary keys of the rows of `mapped` that fulfil `condition`: a sub-select that depends
    on nothing around it."""
    query = select(*key_of(mapped)).select_from(mapped).correlate(None)
    return query if condition is None else query.where(condition)


def key_of(entity: Any) -> list[Any]:
    """The attributes of a class, or of an alias, that are its primary key."""
    mapper: Mapper[Any] = inspect(entity).mapper
    names = (mapper.get_property_by_column(column).key for column in mapper.primary_key)
    return [getattr(entity, name) for name in names]


def key_in(entity: Any, keys: Select[Any]) -> ColumnElement[bool]:
    """The condition that the key of `entity` is one of `keys`."""
    own = key_of(entity)
    return own[0].in_(keys) if len(own) == 1 else tuple_(*own).in_(keys)


def _for_class(declared: Visible, mapper: Mapper[Any], actor: Identity) -> Any:
    """What a rule says, over the columns of `mapper`: a condition, or a bool."""
    says = _said(declared, actor)
    source: Mapper[Any] = inspect(declared.model)
    if isinstance(says, bool) or not is_apart(mapper, source):
        return says

    def replaced(element: Any, **_: Any) -> Any:
        if isinstance(element, Column) and source.columns.contains_column(element):
            key = source.get_property_by_column(element).key
            return getattr(mapper.class_, key).expression
        return None

    return visitors.replacement_traverse(says, {}, replaced)


def is_apart(mapper: Mapper[Any], base: Mapper[Any]) -> bool:
    """Whether the rows of `mapper`, whose class is derived from that of `base`, are none of the
    table of `base`: it is concrete, or SQLAlchemy knows of no inheritance."""
    above: Mapper[Any] | None = mapper
    while above is not None and above is not base:
        if above.concrete:
            return True
        above = above.inherits
    return above is None


def _for_rows_of(declared: Visible, mapper: Mapper[Any], actor: Identity) -> Any:
    """What a subclass's rule says of rows of its base: those of the subclass have to fulfil it."""
    says = _said(declared, actor)
    if says is True:
        return True
    mapped = declared.model
    every = keys_of(mapped, None)
    is_other = ~key_in(mapper.class_, every)
    if says is False:
        return is_other
    return or_(is_other, key_in(mapper.class_, keys_of(mapped, says)))


def _said(declared: Visible, actor: Identity) -> Any:
    """What a rule says: a bool, or a condition over the class that it is declared on.

    A comparison with the id of an actor who has none is true of no row. SQLAlchemy makes IS NULL of
    one with None, and who is not logged in would see the rows that are nobody's.
    """
    says = _judged(declared, ask(declared.function, actor))
    if actor.user_id is not None or isinstance(says, bool):
        return says

    def again(nobody: int) -> Any:
        return _judged(declared, ask(declared.function, replace(actor, user_id=nobody)))

    return without_nobody(says, again)


def without_nobody(says: Any, again: Callable[[int], Any]) -> Any:
    """`says`, a condition or a query for an actor who has no id, in which a comparison with that
    id is true of no row. `again` says it for an actor with the id that it is given."""
    if not any(isinstance(each, Null) for each in visitors.iterate(says)):
        return says
    trial = again(_NOBODY)
    if isinstance(trial, ClauseElement) and any(map(_is_nobody, visitors.iterate(trial))):
        return visitors.replacement_traverse(trial, {}, _nothing_for_nobody)
    return says


def _nothing_for_nobody(element: Any, **_: Any) -> Any:
    return null() if _is_nobody(element) else None


_NOBODY = -8_161_952_503_727_713
"""An id that no user has, for a trial of what a rule compares with the actor's."""


def _is_nobody(element: Any) -> bool:
    return isinstance(element, BindParameter) and bool(element.value == _NOBODY)


def _judged(declared: Visible, says: Any) -> Any:
    """`says`, if it is a bool or a condition of SQL.

    Raises:
        ConfigurationError: It is something else.
    """
    if isinstance(says, bool):
        return says
    is_query = isinstance(says, SelectBase)
    found: Any = None
    if says is not None and not isinstance(says, str) and not is_query:
        try:
            found = coercions.expect(roles.WhereHavingRole, says)
        except Exception:  # noqa: BLE001  # whatever it is, SQLAlchemy cannot read it
            found = None
    if not isinstance(found, ColumnElement):
        cure = f"{declared.model.__name__}.id.in_(select(…))" if is_query else "Loan.reader_id == 7"
        raise ConfigurationError(
            "rule",
            f"The rule {named(declared.function)} returned {_kind(says)} for rows of "
            f"{declared.model.__name__}: return a condition of SQL such as {cure}, True or False.",
        )
    return found


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _for_alias(alias: Any, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """`condition` over an alias. One with a sub-select is asked of the class itself, because what
    a sub-select means by the class is its own."""
    inspected: Any = inspect(alias)
    if any(isinstance(each, SelectBase) for each in visitors.iterate(condition)):
        return key_in(alias, keys_of(inspected.mapper.class_, condition))
    adapted: ColumnElement[bool] = ClauseAdapter(inspected.selectable).traverse(condition)
    return adapted


def whole(condition: ColumnElement[bool] | None) -> ColumnElement[bool]:
    """`condition` for a ``where()``: true if there is none."""
    return true() if condition is None else condition
