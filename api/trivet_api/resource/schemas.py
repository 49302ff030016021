"""The schemas of a resource, derived from its class: what is read, what creates, what changes.

They differ. What creates has neither keys that the database makes, nor what is computed, counted or
dated by itself; what changes has no key at all, and nothing in it is required. Neither takes a name
that it does not know, so nobody sets what is not offered. Secrets are in none of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from inspect import signature
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, create_model
from pydantic import Field as PydanticField
from sqlalchemy import inspect

from trivet.data.fitting.declared import within
from trivet.data.fitting.fit import Fit, UnfitError
from trivet.errors import ConfigurationError
from trivet.suggestion import did_you_mean
from trivet_api.resource.fields import Field, fields_of
from trivet_api.resource.json_type import unfit as refusal
from trivet_api.resource.members import Members, named_members
from trivet_api.whole_numbers import BigIntString

Purpose = Literal["read", "create", "update"]
_SUFFIX: Mapping[str, str] = {"read": "", "create": "Create", "update": "Update"}


def schema(
    model: type[Any],
    purpose: Purpose,
    *,
    exclude: Iterable[str] = (),
    as_text: Iterable[str] = (),
    members: Iterable[str] = (),
) -> type[BaseModel]:
    """The Pydantic model of the rows of a mapped class.

    A second call with the same arguments gives the same model, so that a document has it once.

    Args:
        model: A mapped class.
        purpose: ``read`` for what is answered, ``create`` and ``update`` for what is sent.
        exclude: Attributes that are left out.
        as_text: Whole numbers that are texts in JSON (`BigIntString`).
        members: Many-to-many relationships that are lists of keys.

    Returns:
        The model: ``Book``, ``BookCreate`` or ``BookUpdate``.

    Raises:
        ConfigurationError: A name is no such attribute; or a new row needs a value that no client
            can give.
    """
    if purpose not in _SUFFIX:
        raise ConfigurationError(
            "schema", f"There is no schema {purpose!r}{did_you_mean(purpose, _SUFFIX)}"
        )
    mapped: Any = model
    return _schema(mapped, purpose, frozenset(exclude), frozenset(as_text), tuple(members))


@cache
def _schema(
    model: Any,
    purpose: Purpose,
    exclude: frozenset[str],
    as_text: frozenset[str],
    members: tuple[str, ...],
) -> type[BaseModel]:
    fields = readable_fields(model, exclude=exclude, as_text=as_text)
    if purpose == "read":
        chosen = {each.name: (_or_null(each, each.annotation), ...) for each in fields.values()}
    else:
        chosen = dict(_written(fields.values(), purpose))
    lists = named_members(model, members).values()
    return _make(model, purpose, {**_described(fields, chosen), **_lists(lists, purpose)})


def readable_fields(
    model: type[Any], *, exclude: Iterable[str] = (), as_text: Iterable[str] = ()
) -> Mapping[str, Field]:
    """The fields of a class that leave it, those of `as_text` as texts.

    Raises:
        ConfigurationError: A name is no attribute, or no whole number.
    """
    every = fields_of(model)
    exclude, as_text = frozenset(exclude), frozenset(as_text)
    for name in sorted({*exclude, *as_text} - {*every}):
        raise ConfigurationError(
            "schema", f"{model.__name__} has no column {name!r}{did_you_mean(name, every)}"
        )
    for name in sorted(as_text):
        if not every[name].is_whole:
            raise ConfigurationError(
                "schema", f"{model.__name__}.{name} is no whole number, and as_text is for these."
            )
    return {
        name: as_big_text(each) if name in as_text else each
        for name, each in every.items()
        if name not in exclude and not each.is_secret
    }


def as_big_text(field: Field) -> Field:
    """A whole number as a text, which keeps every digit in a browser."""
    return replace(field, annotation=BigIntString, encoder=str)


def _written(fields: Iterable[Field], purpose: Purpose) -> Iterator[tuple[str, Any]]:
    for each in fields:
        if each.is_generated or (each.is_key and purpose == "update"):
            continue
        annotation = _or_null(each, _strict(each))
        is_required = purpose == "create" and not each.has_default
        yield each.name, (annotation, ... if is_required else _absent(each, purpose))


def _or_null(field: Field, annotation: Any) -> Any:
    return annotation | None if field.nullable else annotation


def _strict(field: Field) -> Any:
    """What is read of a client: held to the column, so that all faults are told at once."""
    annotation = field.annotation
    if field.is_whole:
        annotation = Annotated[annotation, BeforeValidator(_exact_whole)]
    fit, declared = field.fit, field.declared
    if declared is not None:
        keywords = PydanticField(json_schema_extra=_bounds(declared.keywords))
        annotation = Annotated[annotation, keywords]
    judge = within(fit, declared)
    return annotation if judge is None else Annotated[annotation, AfterValidator(_fitting(judge))]


def _bounds(keywords: Mapping[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda known: known.update(keywords)


def _exact_whole(value: Any) -> Any:
    """2.0 is a whole number of JSON's, and 2.5 is none."""
    return int(value) if type(value) is float and value.is_integer() else value


def _fitting(fit: Fit) -> Any:
    def check(value: Any) -> Any:
        try:
            fit(value)
        except UnfitError as unfit:
            raise refusal(str(unfit)) from None
        return value

    return check


def _absent(field: Field, purpose: Purpose) -> Any:
    """The default of what need not be sent. It only documents: what was not sent is not set."""
    default: Any = getattr(field.column, "default", None)
    if purpose != "create" or default is None or not default.is_scalar:
        return None
    if field.encoder is None:
        return PydanticField(default=default.arg)
    try:
        written = field.encode(default.arg)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None  # the default is not of the kind that the column gives back
    return PydanticField(default=default.arg, json_schema_extra={"default": written})


def _without_nulls(known: dict[str, Any]) -> None:
    """Take out of a schema that null is the default of what need not be sent."""
    for each in known.get("properties", {}).values():
        if each.get("default", 0) is None:
            del each["default"]


def _without_required(known: dict[str, Any]) -> None:
    """Promise no attribute: `fields` leaves some out, and so do rules of what an actor sees."""
    known.pop("required", None)


def partial_of(written: type[BaseModel]) -> type[BaseModel]:
    """A read schema that somebody wrote, as the document has it: none of its attributes is
    required, and for the rest it is theirs."""
    given = written.model_config.get("json_schema_extra")

    def without_required(known: dict[str, Any], model: Any) -> None:
        if callable(given):
            _call_extra(given, known, model)
        elif given is not None:
            known.update(given)
        _without_required(known)

    made: type[BaseModel] = create_model(
        f"Partial{written.__name__}",
        __base__=written,
        __doc__=written.__doc__,
        __module__=written.__module__,
    )
    made.model_config["json_schema_extra"] = without_required
    made.model_rebuild(force=True)
    return made


def _call_extra(given: Any, known: dict[str, Any], model: Any) -> None:
    """Call what an author wrote, which takes the schema alone or the class as well."""
    takes_class = len(signature(given).parameters) > 1
    given(known, model) if takes_class else given(known)


def _described(fields: Mapping[str, Field], chosen: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (annotation, default) in chosen.items():
        text = fields[name].description
        if text:
            annotation = Annotated[annotation, PydanticField(description=text)]  # noqa: PLW2901  # the same, with its text
        found[name] = (annotation, default)
    return found


def _lists(members: Iterable[Members], purpose: Purpose) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in members:
        bounds = PydanticField(
            description=each.description or f"The keys of its {each.name.replace('_', ' ')}.",
            max_length=None if purpose == "read" else MOST_MEMBERS,
        )
        annotation: Any = each.annotation
        keys: Any = list[annotation]
        found[each.name] = (Annotated[keys, bounds], ... if purpose == "read" else None)
    return found


MOST_MEMBERS = 1000
"""More keys of members are not taken in one list."""


def _make(model: type[Any], purpose: Purpose, fields: Mapping[str, Any]) -> type[BaseModel]:
    config = ConfigDict(
        extra="ignore" if purpose == "read" else "forbid",
        from_attributes=purpose == "read",
        protected_namespaces=(),
        json_schema_extra=_without_required if purpose == "read" else _without_nulls,
    )
    made: type[BaseModel] = create_model(
        f"{model.__name__}{_SUFFIX[purpose]}",
        __config__=config,
        __doc__=_document(model, purpose),
        __module__=model.__module__,
        **dict(_renamed(name, *each) for name, each in fields.items()),
    )
    return made


def _renamed(name: str, annotation: Any, default: Any) -> tuple[str, Any]:
    """A field under a name that Pydantic allows, and in JSON under its own."""
    if not (name.startswith("_") or hasattr(BaseModel, name)):
        return name, (annotation, default)
    other = f"{name.strip('_')}_"
    return other, (Annotated[annotation, PydanticField(alias=name)], default)


def values_of(body: BaseModel) -> dict[str, Any]:
    """What a client has sent, by the names of attributes; what was left out is not there."""
    fields = type(body).model_fields
    return {
        fields[name].alias or name: getattr(body, name)
        for name in fields
        if name in body.model_fields_set
    }


_PARAGRAPH = re.compile(r"\n\s*\n")


def _document(model: type[Any], purpose: Purpose) -> str | None:
    own = vars(model).get("__doc__")
    if not own or inspect(model).class_ is not model:
        return None
    return _PARAGRAPH.split(str(own).strip())[0] if purpose == "read" else None
