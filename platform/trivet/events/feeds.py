"""Feeds: functions that turn changes of models into publications.

A feature's ``events.py`` declares them::

    @feed(Flight)
    def flight_changed(change: Change[Flight]) -> Iterator[Publication]:
        yield Publication(f"departures:{change.instance.origin}", FlightChanged(...))

The functions run inside the flush of the change, so they see generated keys and must be
plain reads of the instance: no query, no lazy load, no write.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from dataclasses import fields as fields_of
from functools import cache
from typing import Any, Generic, Literal, TypeVar

import msgspec
from sqlalchemy.engine import Dialect

from trivet.errors import ConfigurationError
from trivet.events.fed_tables import FedTables, follow_fed
from trivet.identity.identity import Identity

Kind = Literal["insert", "update", "delete"]
M = TypeVar("M")
FeedFunction = Callable[["Change[Any]"], Iterable[Any]]
"""It yields publications; the one of a live class (`trivet.events.live_classes`) those of the
outbox."""
F = TypeVar("F", bound=Callable[..., Iterable["Publication"]])

CHANNEL_BYTES = 255
LIVE_MARK = "__live__"
"""The name under which a module keeps its live classes (`trivet.events.live_classes`)."""
_CHANNEL = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Change(Generic[M]):
    """One row that a flush wrote.

    Attributes:
        kind: ``insert``, ``update`` or ``delete``.
        instance: The object, with its present values.
        old: The old values by attribute name, of the columns that an update changed and of
            many-to-many relationships (the keys of the former members). Empty for an insert
            and a delete.
        actor: The identity that made the change; None if nobody is known.
    """

    kind: Kind
    instance: M
    old: Mapping[str, Any]
    actor: Identity | None

    def changed(self, *columns: str) -> bool:
        """Whether a feed for some columns has to report this change.

        Args:
            *columns: Attribute names.

        Returns:
            True if an update changed one of them; always True for an insert and a delete.
        """
        return self.kind != "update" or any(column in self.old for column in columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedChange(Change[M]):
    """A change with what a live class needs of it: the values of the row before it, as far as the
    session knew them (all of a row that is deleted), and the dialect of its database."""

    before: Mapping[str, Any]
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Publication:
    """An event on its way to a channel.

    Args:
        channel: The channel's name: 1 to 255 printable ASCII characters without spaces.
        event: A frozen dataclass, named in the past tense. Browsers get its fields and
            ``type``, the name of its class in snake_case.

    Raises:
        ValueError: `channel` is not such a name.
    """

    channel: str
    event: object

    def __post_init__(self) -> None:
        if not _CHANNEL.fullmatch(self.channel):
            raise ValueError(
                f"{self.channel!r} is no channel name: 1 to {CHANNEL_BYTES} printable ASCII "
                "characters without spaces"
            )


@dataclass(slots=True)
class FeedRegistry:
    """The feeds of all features, asked by every session."""

    _feeds: dict[type, list[FeedFunction]] = field(default_factory=dict)
    _labelled: dict[str, list[FeedFunction]] = field(default_factory=dict)
    _of_class: dict[type, Sequence[FeedFunction]] = field(default_factory=dict)
    _tables: FedTables | None = None

    def add(self, model: type | str, function: FeedFunction) -> None:
        if isinstance(model, str):
            self._labelled.setdefault(model.lower(), []).append(function)
            return
        self._feeds.setdefault(model, []).append(function)
        self._of_class.clear()
        self._tables = None

    def shows_whole_rows(self, model: type) -> bool:
        """Whether a feed of `model` reads all columns of a row."""
        return any(getattr(f, "shows_whole_rows", False) for f in self.feeds_of(model))

    @property
    def tables(self) -> FedTables:
        """The tables whose rows feed channels."""
        if self._tables is None:
            self._tables = FedTables(self._feeds)
        return self._tables

    def follow(self) -> None:
        """Have sessions do first what the database would do to fed rows by itself."""
        follow_fed(self._feeds)

    def feeds_of(self, model: type) -> Sequence[FeedFunction]:
        """The feeds of `model` and of the classes that it is mapped from."""
        found = self._of_class.get(model)
        if found is None:
            found = tuple(f for cls in model.__mro__ for f in self._feeds.get(cls, ()))
            self._of_class[model] = found
        return found

    @property
    def labels(self) -> Iterable[str]:
        """The models of Django's that feed channels, as ``app.model`` in lower case."""
        return self._labelled.keys()

    def feeds_of_label(self, label: str) -> Sequence[FeedFunction]:
        """The feeds of the model of Django's with this label (``app.model`` in lower case)."""
        return self._labelled.get(label, ())

    def __bool__(self) -> bool:
        """Whether mapped classes feed channels: what the sessions ask."""
        return bool(self._feeds)


def feed(model: type | str) -> Callable[[F], F]:
    """Declare, in a feature's ``events.py``, a function that feeds channels from `model`.

    The function gets a `Change` and yields publications, or none. It runs inside the flush, so
    it may only read the instance: a query, a lazy load or a write is refused. The declaration is
    a mark on the function, which the start finds: importing the module changes nothing.

    Args:
        model: A mapped class. Changes of its subclasses are reported too. Or the label of a
            model of a joined Django application, such as ``"polls.Question"``, for its class
            cannot be imported yet where events are declared.

    Returns:
        The decorator, which returns the function itself.
    """

    def mark(function: F) -> F:
        models = (*getattr(function, "__feeds__", ()), model)
        function.__feeds__ = models  # type: ignore[attr-defined]  # the mark itself
        return function

    return mark


def collect_feeds(
    modules: Iterable[Any], live: Iterable[tuple[type, FeedFunction]] = ()
) -> FeedRegistry:
    """The registry of every feed that `modules` declare, and of those of `live` classes.

    Raises ConfigurationError if an ``events.py`` declares none (a file that feeds nothing
    is a forgotten decorator), or if the database would change fed rows by itself.
    """
    registry = FeedRegistry()
    for module in modules:
        marked = [
            (model, function)
            for function in vars(module).values()
            for model in getattr(function, "__feeds__", ())
        ]
        if not marked and LIVE_MARK not in vars(module):
            raise ConfigurationError(
                "no-feed",
                f"{module.__name__} declares no feed: decorate a function with @feed(Model), or "
                "write live(Model).",
            )
        for model, function in marked:
            registry.add(model, function)
    for model, function in live:
        registry.add(model, function)
    registry.follow()
    return registry


_WORD = re.compile(r"(?<!^)(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])")


def event_type(event: object) -> str:
    """The name of an event for browsers: ``GateAssigned`` is ``gate_assigned``."""
    return _WORD.sub("_", type(event).__name__).lower()


def encode_event(event: object) -> str:
    """The JSON of a publication: the event's fields, led by its ``type``."""
    kind: Any = type(event)  # for mypy, which takes a class for something that has no hash
    beginning = _beginning_of(kind)
    if beginning is not None:
        encoded = msgspec.json.encode(event, enc_hook=_as_text).decode()
        return beginning + encoded[1:]
    fields: dict[str, Any] = msgspec.to_builtins(event, enc_hook=_as_text)
    return msgspec.json.encode({"type": event_type(event), **fields}).decode()


@cache  # classes stand in source code
def _beginning_of(kind: type) -> str | None:
    """The JSON of an event of this class before its first field, so that it is encoded in one
    pass; None for a class that is no dataclass, has no field, or one with the name ``type``."""
    names = [each.name for each in fields_of(kind)] if is_dataclass(kind) else []
    if not names or "type" in names:
        return None
    name = _WORD.sub("_", kind.__name__).lower()
    return '{"type":' + msgspec.json.encode(name).decode() + ","


_ADDRESSES = (
    *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
    *(ipaddress.IPv4Interface, ipaddress.IPv6Interface),
)


def _as_text(value: Any) -> str:
    """What columns hold and JSON does not know. An object of somebody's own is none of it: its
    text was made for people and may say what nobody else should read."""
    if isinstance(value, _ADDRESSES):
        return str(value)
    raise NotImplementedError
