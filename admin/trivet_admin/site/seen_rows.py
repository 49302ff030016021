"""The rows and attributes that the visitor of a page sees, by the rules of visibility.

The condition of a rule is SQLAlchemy's, and the queries of the admin are Django's. What stands
between them is a sub-select of primary keys, which SQLAlchemy compiles and Django compares with the
key of whatever it selects from. So a rule may say all that a condition can, and no alias of either
side reaches the other.
"""

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import BooleanField, Expression, F, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from sqlalchemy import Select, inspect

from trivet.rules.conditions import keys_of
from trivet.rules.registry import RuleRegistry
from trivet_admin import runtime
from trivet_admin.mirror.names import names_of
from trivet_admin.mirror.shape import NOT_SHOWN, Association, Shape, find_shape
from trivet_admin.mirror.sources import as_django_sql
from trivet_admin.site.sizes import rows_of
from trivet_admin.unit import actor_of

_KEPT = "trivet_seen"
"""Where a request keeps the answers of the rules: a page asks for each many times."""

PLAIN = "trivet_plain"
"""The attribute of a class in front of another that holds the other."""


class KeyIn(Expression):
    """The condition that a key, at `paths`, is one of those of a query of SQLAlchemy's."""

    def __init__(self, keys: Select[Any], *paths: str) -> None:
        super().__init__(output_field=BooleanField())
        self.keys = keys
        self.parts: list[Any] = [F(path) for path in paths]

    def get_source_expressions(self) -> list[Any]:
        return self.parts

    def set_source_expressions(self, exprs: Any) -> None:
        self.parts = list(exprs)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        del connection
        compiled = [compiler.compile(part) for part in self.parts]
        own = ", ".join(sql for sql, _ in compiled)
        query, params = as_django_sql(self.keys)
        left = f"({own})" if len(compiled) > 1 else own
        return f"({left} IN ({query}))", (*(p for _, each in compiled for p in each), *params)


def plain_class(admin: Any) -> type[Any]:
    """The class that an author wrote, of an admin object."""
    found: type[Any] = getattr(type(admin), PLAIN, type(admin))
    return found


def rules() -> RuleRegistry:
    """The rules of this process."""
    return runtime.capture().rules


def narrows() -> bool:
    """Whether any rule of this process says who sees, or may set, what."""
    return rules().narrows


def conditions(request: HttpRequest, model: Any, path: str = "") -> list[Expression]:
    """The conditions for the rows that the visitor sees, for a ``filter()``.

    Args:
        model: Any model of Django's; one that is no mirror has none.
        path: The relations that lead to it from the model that is filtered, as Django has them.
    """
    if not narrows():
        return []
    shape = find_shape(model)
    if isinstance(shape, Association):
        ends = (model._meta.get_field(name) for name in (shape.source, shape.target))
        return [
            each
            for end in ends
            for each in conditions(request, end.remote_field.model, _joined(path, end.name))
        ]
    keys = _keys(request, shape) if isinstance(shape, Shape) else None
    if keys is None or not isinstance(shape, Shape):
        return []
    attnames = {key: attname for attname, key in shape.keys.items()}
    return [KeyIn(keys, *(_joined(path, attnames[key]) for key in shape.primary_key))]


def _joined(path: str, name: str) -> str:
    return f"{path}{LOOKUP_SEP}{name}" if path else name


def _keys(request: HttpRequest, shape: Shape) -> Select[Any] | None:
    kept = vars(request).setdefault(_KEPT, {})
    mapped = shape.mapped
    if mapped not in kept:
        condition = rules().visible_condition(mapped, actor_of(request))
        kept[mapped] = None if condition is None else keys_of(mapped, condition)
    found: Select[Any] | None = kept[mapped]
    return found


def is_restricted(request: HttpRequest, model: Any) -> bool:
    """Whether there may be rows of `model` that the visitor does not see."""
    return bool(conditions(request, model))


def only_seen(request: HttpRequest, rows: Any) -> Any:
    """Those of a queryset that the visitor sees."""
    wanted = conditions(request, rows.model)
    if not wanted:
        return rows
    if rows.query.is_sliced:  # an author's own, which takes no more conditions
        whole = rows_of(rows.model).filter(*wanted)
        return whole.filter(pk__in=[row.pk for row in rows])
    return rows.filter(*wanted)


def seen_among(request: HttpRequest, model: Any, keys: Iterable[Any]) -> set[Any]:
    """Those of primary keys of `model` whose rows the visitor sees."""
    wanted = {*keys}
    if not wanted or not is_restricted(request, model):
        return wanted
    rows: QuerySet[Any] = rows_of(model).filter(*conditions(request, model))
    return {*rows.filter(pk__in=[*wanted]).values_list("pk", flat=True)}


def hidden_attributes(request: HttpRequest, model: Any) -> frozenset[str]:
    """The attributes of `model` that the visitor does not see, as the mapped class calls them."""
    shape = find_shape(model)
    if not narrows() or not isinstance(shape, Shape):
        return frozenset()
    return rules().hidden_attributes(shape.mapped, actor_of(request))


def hidden_names(request: HttpRequest, model: Any) -> frozenset[str]:
    """The attributes of `model` that the visitor does not see, by all their names in Django."""
    return _names(request, model, "hidden_attributes")


def fixed_names(request: HttpRequest, model: Any) -> frozenset[str]:
    """The attributes of `model` that the visitor may not set, by all their names in Django."""
    return _names(request, model, "fixed_attributes")


def _names(request: HttpRequest, model: Any, which: str) -> frozenset[str]:
    shape = find_shape(model)
    if not narrows() or not isinstance(shape, Shape):
        return frozenset()
    kept = vars(request).setdefault(_KEPT, {})
    if (shape.mapped, which) not in kept:
        found = getattr(rules(), which)(shape.mapped, actor_of(request))
        kept[shape.mapped, which] = frozenset(_in_django(shape, found))
    names: frozenset[str] = kept[shape.mapped, which]
    return names


def _in_django(shape: Shape, names: Iterable[str]) -> Iterator[str]:
    there = names_of(inspect(shape.mapped))
    for name in names:
        yield name
        yield from (
            each[name] for each in (there.fields, there.attnames, there.relations) if name in each
        )


def passes_hidden(request: HttpRequest, model: Any, path: Any) -> bool:
    """Whether a name or a path of Django's, such as ``owner__email``, leads over an attribute that
    the visitor does not see."""
    if not isinstance(path, str) or not narrows():
        return False
    for there, name in _steps(model, path.lstrip("-")):
        if name in hidden_names(request, there):
            return True
    return False


def restricted_on(request: HttpRequest, model: Any, path: str) -> list[tuple[str, Any]]:
    """The relations on a path of Django's that may lead to rows which the visitor does not see,
    each with its model; a key that stands in the row itself leads nowhere."""
    found: list[tuple[str, Any]] = []
    steps = [*_steps(model, path.lstrip("-"))]
    for number, (there, name) in enumerate(steps):
        field = _field(there, name)
        if (
            field is None
            or not getattr(field, "is_relation", False)
            or name == field_attname(field)
        ):
            continue
        after = [each for model_, each in steps[number + 1 :] if _field(model_, each) is not None]
        if field.concrete and not field.many_to_many and not _reads_more(field, after):
            continue
        target = field.related_model
        if target is not None and is_restricted(request, target):
            found.append((LOOKUP_SEP.join(each for _, each in steps[: number + 1]), target))
    return found


def columns_on(model: Any, path: str) -> list[Any]:
    """The fields at the beginning of a path of Django's."""
    fields = (_field(there, name) for there, name in _steps(model, path))
    return [*takewhile(lambda field: field is not None, fields)]


def field_attname(field: Any) -> str | None:
    """The name of the value of a foreign key; None for what has none of its own."""
    attname = getattr(field, "attname", None)
    return attname if attname != field.name else None


def _reads_more(field: Any, after: list[str]) -> bool:
    """Whether what follows a relation on its path is more than the key that the row itself has."""
    own = {"pk", *(each.name for each in getattr(field, "foreign_related_fields", ()))}
    own |= {each.attname for each in getattr(field, "foreign_related_fields", ())}
    return bool(after) and after[0] not in own


def _steps(model: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Each name on a path, with the model that has it; what follows the last field is left out."""
    for name in path.split(LOOKUP_SEP):
        field = _field(model, name)
        yield model, name if field is None or name != "pk" else field.name
        if field is None or not getattr(field, "is_relation", False):
            return
        if field.related_model is None:
            return
        model = field.related_model


def _field(model: Any, name: str) -> Any:
    try:
        return model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        # By the value of a foreign key, which is no name of a field.
        return next((f for f in model._meta.concrete_fields if f.attname == name), None)


def stand_in(model: Any, values: dict[str, Any]) -> models.Model:
    """A row that is not shown: it has the values that the referring row has of it, and no other."""
    names = [field.attname for field in model._meta.concrete_fields]
    row: models.Model = model.from_db("default", names, [values.get(name) for name in names])
    vars(row)[NOT_SHOWN] = True
    return row


def hide_related(request: HttpRequest, rows: Iterable[Any]) -> None:
    """Let rows, all of one model, refer to stand-ins where the visitor does not see what they refer
    to."""
    found = list(rows)
    if not found or not narrows():
        return
    for field in type(found[0])._meta.fields:
        if field.many_to_one or field.one_to_one:
            _hide_at(request, found, field)


def hide_on(request: HttpRequest, rows: Iterable[Any], path: str) -> None:
    """The same for the rows to which a path of Django's leads from `rows`, whose own relations are
    hidden already: ``copy__book__title``."""
    found = list(rows)
    first, *others = path.split(LOOKUP_SEP) if narrows() else [path]
    for name in others:
        field = _to_one(type(found[0]), first) if found else None
        if field is None:
            return
        found = [there for row in found if (there := getattr(row, first, None)) is not None]
        if found and (further := _to_one(field.related_model, name)) is not None:
            _hide_at(request, found, further)
        first = name


def _to_one(model: Any, name: str) -> Any:
    """The relation of this name, to one row; None if there is none."""
    found = (each for each in model._meta.fields if each.name == name)
    return next((each for each in found if each.many_to_one or each.one_to_one), None)


def _hide_at(request: HttpRequest, rows: list[Any], field: Any) -> None:
    target = field.related_model
    if not is_restricted(request, target):
        return
    pairs = [(own.attname, there.attname) for own, there in field.related_fields]
    held = [tuple(getattr(row, own) for own, _ in pairs) for row in rows]
    wanted = {each for each in held if None not in each}
    if not wanted:
        return
    is_one = models.Q()
    for each in wanted:
        is_one |= models.Q(**{there: value for (_, there), value in zip(pairs, each, strict=True)})
    visible = rows_of(target).filter(is_one, *conditions(request, target))
    seen = {*visible.values_list(*(there for _, there in pairs))}
    for row, values in zip(rows, held, strict=True):
        if None not in values and values not in seen:
            known = {there: value for (_, there), value in zip(pairs, values, strict=True)}
            row._state.fields_cache[field.name] = stand_in(target, known)
