"""Tenants in the flush: a new row gets one, and no row leaves the one that it has.

What visibility asks of a row it asks of rows that are there. Here the row before and after the
change is asked, whoever writes it, before anything is written.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.selectable import SelectBase

from trivet.errors import Forbidden, Invalid
from trivet.identity.identity import Identity
from trivet.models.labels import in_words, with_article
from trivet.rules.change import Change
from trivet.rules.tenant_paths import TenantPath, find_new_parent
from trivet.rules.tenants import EVERY_TENANT, InTenant, said_by

ACROSS = "trivet_across_tenants"
"""Where a session says, in its `info`, that it works across tenants."""
WAS_ACROSS = "trivet_was_across_tenants"
"""Where it says that it has done so at some time."""
TELL = "trivet_tell_tenants"
"""Where it keeps, in its `info`, the function that tells PostgreSQL what holds now; missing where
nothing was told (`trivet.data.tenant_setting`)."""
_KNOWN = "trivet_tenants"
"""Where it keeps, in its `info`, what one flush has asked the database about tenants."""


def judge(declared: InTenant, change: Change[Any]) -> None:
    """Refuse a change of a row of another tenant, and a move to another one.

    Raises:
        Forbidden: It is one, and the actor does not have every tenant.
    """
    own = own_tenants(declared, change.session, change.actor)
    if own is None:
        return
    way, noun = declared.way, in_words(type(change.instance).__name__)
    if change.kind == "insert":
        if way.is_own_key:
            raise Forbidden("row-not-yours", f"You may not make {with_article(noun)}.")
        if str(_after(way, change)) not in own:
            raise _not_yours(f"make such {with_article(noun)}", declared, way)
        return
    before = str(_before(way, change))
    if before not in own:
        verb = "delete" if change.kind == "delete" else "change"
        raise _not_yours(f"{verb} this {noun}", declared, way)
    if change.kind == "update" and _moves(way, change) and str(_after(way, change)) != before:
        raise Forbidden(
            "tenant-fixed",
            f"You may not move {with_article(noun)} to another {in_words(declared.name)}.",
            attributes=[way.attribute],
        )


def fill(declared: Iterable[InTenant], session: Session, instance: Any, actor: Identity) -> None:
    """Give a new row that names no tenant that of an actor who has a single one.

    Raises:
        Invalid: The actor has several.
    """
    for each in declared:
        way = each.way
        if way.parents or way.is_own_key or _names_one(way, instance):
            continue
        found = own_keys(each, session, actor)
        if found is None or not found:
            continue  # it is refused for what it lacks
        if len(found) > 1:
            raise Invalid(
                "tenant-needed",
                f"Say of which {in_words(each.name)} this is: you have several.",
                attributes=[way.attribute],
            )
        setattr(instance, way.key, found[0])


def own_tenants(
    declared: InTenant, session: Session, actor: Identity | None
) -> frozenset[str] | None:
    """The keys of the actor's tenants, as texts; None: all of them."""
    found = own_keys(declared, session, actor)
    return None if found is None else frozenset(map(str, found))


def own_keys(
    declared: InTenant, session: Session, actor: Identity | None
) -> tuple[Any, ...] | None:
    """The keys of the actor's tenants; None: all of them. Work that nobody asked for is the
    product's own, and has all."""
    if actor is None or session.info.get(ACROSS):
        return None
    said = said_by(declared.function, actor)
    if said is EVERY_TENANT:
        return None
    if not isinstance(said, SelectBase):
        return said
    known: dict[Any, Any] = session.info.setdefault(_KNOWN, {})
    place = declared.function, actor
    if place not in known:
        # Read as it is now, and not with a flush, in which this may happen.
        query: Any = said
        rows = session.connection().execute(query).scalars()
        known[place] = tuple(dict.fromkeys(key for key in rows if key is not None))
    found: tuple[Any, ...] = known[place]
    return found


def forget_known(session: Session) -> None:
    """Forget what an earlier flush has asked."""
    session.info.pop(_KNOWN, None)


def _names_one(way: TenantPath, instance: Any) -> bool:
    state = instance_state(instance)
    if state.dict.get(way.key) is not None:
        return True
    columns = set(way.mapper.column_attrs[way.key].columns)
    references = (each for each in way.mapper.relationships if columns & each.local_columns)
    return any(state.dict.get(each.key) is not None for each in references)


def _before(way: TenantPath, change: Change[Any]) -> Any:
    if not way.parents:
        return change.old[way.key]
    return _of_parent(way, change.session, [change.old[name] for name in way.references()])


def _after(way: TenantPath, change: Change[Any]) -> Any:
    return _of_new(way, change.session, change.instance, change)


def _of_new(way: TenantPath, session: Session, instance: Any, change: Change[Any] | None) -> Any:
    """The tenant of a row that is not written yet. What its own change says is worked out; of a
    parent that is new as well, what it holds."""
    if not way.parents:
        return change.new[way.key] if change is not None else _held(way, instance)
    parent = find_new_parent(instance, way.attribute)
    if parent is not None:
        return _of_new(way.rest(), session, parent, None)
    held = change.new if change is not None else instance_state(instance).dict
    keys = [held.get(name) for name in way.references()]
    other = instance_state(instance).dict.get(way.attribute)
    if change is None and None in keys and other is not None:
        keys = list(_keys_of(way, other))
    return _of_parent(way, session, keys)


def _held(way: TenantPath, instance: Any) -> Any:
    """The key that a new row holds, or that of the tenant to which it refers."""
    present = instance_state(instance).dict
    if present.get(way.key) is not None:
        return present[way.key]
    for each in way.mapper.relationships:
        other = present.get(each.key)
        for local, remote in each.local_remote_pairs or ():
            if other is not None and local in way.mapper.column_attrs[way.key].columns:
                return getattr(other, each.mapper.get_property_by_column(remote).key)
    return None


def _keys_of(way: TenantPath, parent: Any) -> Iterator[Any]:
    first = way.parents[0]
    mapper: Mapper[Any] = first.mapper
    for _, remote in first.local_remote_pairs or ():
        yield getattr(parent, mapper.get_property_by_column(remote).key)


def _of_parent(way: TenantPath, session: Session, keys: list[Any]) -> Any:
    """The tenant of the parent with these `keys`; None without one."""
    if any(each is None for each in keys):
        return None
    known: dict[Any, Any] = session.info.setdefault(_KNOWN, {})
    place = way, tuple(keys)
    if place not in known:
        known[place] = session.connection().execute(way.keys_of_parents(keys)).scalar()
    return known[place]


def _moves(way: TenantPath, change: Change[Any]) -> bool:
    return change.changed(*(way.references() if way.parents else [way.key]))


def _not_yours(verb: str, declared: InTenant, way: TenantPath) -> Forbidden:
    return Forbidden(
        "row-not-yours",
        f"You may not {verb}: it is of no {in_words(declared.name)} of yours.",
        attributes=[way.attribute],
    )
