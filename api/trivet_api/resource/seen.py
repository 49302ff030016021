"""What an actor sees, as far as writing asks for it.

A row that the actor does not see is refused as one that is not there: before a change of it, where
another row refers to it, and where it becomes a member. A row that the actor would not see after
the change is not kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, ForeignKeyConstraint, inspect, select, tuple_
from sqlalchemy.orm import Mapper, Session

from trivet.data.session import TrivetSession
from trivet.data.violation import Violation, say
from trivet.errors import Forbidden
from trivet.identity.identity import Identity
from trivet.models.labels import find_mapper, noun_of, noun_of_rows, with_article
from trivet.rules.registry import RuleRegistry
from trivet_api.resource.item_errors import ItemError, unknown
from trivet_api.resource.key_matching import Key, matched
from trivet_api.resource.write_options import WriteOptions


def condition_of(db: Session, actor: Identity, model: type[Any]) -> ColumnElement[bool] | None:
    """The condition for the rows of a class that `actor` sees; None if that is all."""
    return rules_of(db).visible_condition(model, actor)


def rules_of(db: Session) -> RuleRegistry:
    """The rules that the session of a unit knows."""
    assert isinstance(db, TrivetSession)
    return db.capture.rules


def require_known(db: Session, actor: Identity, model: type[Any], names: Iterable[str]) -> None:
    """Refuse attributes that the actor does not see, as if there were none of the name."""
    hidden = rules_of(db).hidden_attributes(model, actor)
    if hidden and (found := [name for name in names if name in hidden]):
        raise unknown(found)


def require_creatable(rules: RuleRegistry, actor: Identity, write: WriteOptions) -> None:
    """Refuse an actor who can make no row of a class: they do not see what a new one needs, so that
    they can neither send it nor leave it out.

    Raises:
        Forbidden: They cannot.
    """
    hidden = write.needed & rules.hidden_attributes(write.model, actor)
    if hidden:
        names = sorted(hidden)
        noun = with_article(noun_of_rows(write.mapper))
        told = " and ".join(name.replace("_", " ") for name in names)
        raise Forbidden(
            "attribute-not-yours",
            f"You may not make {noun}: a new one needs its {told}, which you do not see.",
        )


def sees_all(
    rules: RuleRegistry, actor: Identity, mapper: Mapper[Any], values: Mapping[str, Any]
) -> bool:
    """Whether nothing has to be asked before `actor` makes a row of a class with these values: none
    of them is hidden, and no rule restricts the rows of the class, or those that it refers to."""
    model = mapper.class_
    if not rules.hidden_attributes(model, actor).isdisjoint(values):
        return False
    if rules.visible_condition(model, actor) is not None:
        return False
    return all(
        target is None or rules.visible_condition(target.class_, actor) is None
        for target in (
            find_mapper(reference.referred_table)
            for reference, names in _references(mapper)
            if _key(values, names)
        )
    )


def having(mapper: Mapper[Any], keys: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    """The condition for the rows with these primary keys."""
    return among(key_attributes(mapper), keys)


def key_attributes(mapper: Mapper[Any]) -> list[Any]:
    """The attributes of a class that are its primary key, in the order of its columns."""
    return [mapper.get_property_by_column(each).class_attribute for each in mapper.primary_key]


def among(columns: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    """The condition that `columns` have together the values of one of `rows`."""
    if len(columns) > 1:
        return tuple_(*columns).in_(rows)
    values = [row[0] for row in rows]
    condition: ColumnElement[bool] = (
        columns[0] == values[0] if len(values) == 1 else columns[0].in_(values)
    )
    return condition


def require_visible(
    db: Session, actor: Identity, model: type[Any], rows: Sequence[Any], *, is_new: bool
) -> None:
    """Refuse rows that the actor does not see, now that they are written.

    Raises:
        ItemError: With Forbidden, for the first of them.
    """
    condition = condition_of(db, actor, model)
    if condition is None or not rows:
        return
    mapper: Mapper[Any] = inspect(model)
    keys = [tuple(mapper.primary_key_from_instance(row)) for row in rows]
    query = select(*key_attributes(mapper)).where(having(mapper, keys), condition)
    found = {tuple(each) for each in db.execute(query)}
    table: Any = mapper.local_table
    for index, key in enumerate(keys):
        if key not in found:
            noun = noun_of(table)
            verb = f"make such {with_article(noun)}" if is_new else f"change this {noun} so"
            raise ItemError(
                index, Forbidden("row-not-yours", f"You may not {verb}: it would not be yours.")
            )


def require_references(
    db: Session, actor: Identity, model: type[Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse references to rows that the actor does not see, as the database refuses those to rows
    that are not there. `rows` are what is set, each with the whole of every key that it sets a part
    of.

    Raises:
        ItemError: With Conflict, for the first of them.
    """
    mapper: Mapper[Any] = inspect(model)
    for reference, names in _references(mapper):
        target = find_mapper(reference.referred_table)
        condition = None if target is None else condition_of(db, actor, target.class_)
        if target is None or condition is None:
            continue
        given = {index: key for index, row in enumerate(rows) if (key := _key(row, names))}
        if not given:
            continue
        columns = [
            target.get_property_by_column(each.column).class_attribute
            for each in reference.elements
        ]
        find = partial(_find_keys, db, columns, condition)
        wanted = list(dict.fromkeys(given.values()))
        found = matched(wanted, find(wanted), partial(_find_key, find))
        for index, key in given.items():
            if key not in found:
                raise ItemError(index, _missing(reference, key))


def _find_keys(
    db: Session, columns: Sequence[Any], condition: ColumnElement[bool], keys: Sequence[Key]
) -> dict[Key, Key]:
    query = select(*columns).where(among(columns, keys), condition)
    return {tuple(each): tuple(each) for each in db.execute(query)}


def _find_key(find: Callable[[Sequence[Key]], dict[Key, Key]], key: Key) -> Key | None:
    return next(iter(find([key])), None)


def references_of(mapper: Mapper[Any], names: Iterable[str]) -> Iterator[str]:
    """The attributes that are set together with `names`: the rest of their foreign keys."""
    wanted = frozenset(names)
    for _, together in _references(mapper):
        if not wanted.isdisjoint(together):
            yield from together


@cache  # classes stand in source code
def _references(mapper: Mapper[Any]) -> tuple[tuple[ForeignKeyConstraint, tuple[str, ...]], ...]:
    """The foreign keys of a class, each with its attributes; not the one to a base's own table."""
    return tuple(_find_references(mapper))


def _find_references(
    mapper: Mapper[Any],
) -> Iterator[tuple[ForeignKeyConstraint, tuple[str, ...]]]:
    tables: Any = mapper.tables
    columns_of: Any = mapper.columns
    for table in tables:
        for reference in sorted(table.foreign_key_constraints, key=lambda each: str(each.name)):
            columns = list(reference.columns)
            is_of_base = reference.referred_table in mapper.tables and all(
                table.primary_key.contains_column(column) for column in columns
            )
            if not is_of_base and all(map(columns_of.contains_column, columns)):
                yield (
                    reference,
                    tuple(mapper.get_property_by_column(column).key for column in columns),
                )


def _key(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...] | None:
    key = tuple(row.get(name) for name in names)
    return None if any(each is None for each in key) else key


def _missing(reference: ForeignKeyConstraint, key: tuple[Any, ...]) -> Any:
    columns = tuple(reference.columns)
    told = say(", ".join(map(str, key)), columns)
    table: Any = reference.table
    return Violation("missing", table, columns, told, reference.referred_table).error()
