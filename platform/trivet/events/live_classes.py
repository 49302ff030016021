"""Live classes: every change of their rows is published to one channel, as a resource shows it.

A feature's ``events.py`` says so in a line::

    live(Loan)

The channel is ``library:loans``, and an event of it::

    {"type": "loan_changed", "kind": "update", "key": "7", "row": {"id": 7, "due_at": …}}

`kind` is ``insert``, ``update`` or ``delete``, `key` the text of the row's primary key
(`trivet.models.row_keys`), and `row` all columns but those that not every subscriber may see; a
delete has none. A row whose key changes is told as a delete and an insert.

Who may see which rows is asked when an event is delivered (`trivet.delivery.sights`). For that the
columns of the row go along, where only the database reads them (`trivet.events.stored_rows`).
"""

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import inspect as inspect_mapped
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import instance_state

from trivet.capture.old_values import columns_of
from trivet.errors import ConfigurationError
from trivet.events.appending import NewPublication
from trivet.events.feeds import LIVE_MARK, CapturedChange, Change, Kind
from trivet.events.stored_rows import encode_row
from trivet.identity.policy import Policy, requires
from trivet.models.mapped import find_naming_feature
from trivet.models.naming import identifier_of, plural_identifier_of
from trivet.models.row_keys import key_text
from trivet.models.secret_columns import is_secret

Writer = Callable[[Any], Any]
"""Makes of a value what msgspec writes."""

_CHANNEL = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
"""The part of a channel's name behind the feature's: no sign in it has a meaning of its own."""


@dataclass(frozen=True, slots=True)
class Live:
    """A declaration: the changes of `model` are published to one channel.

    Attributes:
        model: The mapped class.
        channel: The channel's name behind the feature's; None: by the name of the class.
        policy: Who may subscribe; None: those who hold Django's permission to view the rows.
        exclude: The attributes that are left out of the row.
        as_text: The whole numbers that are texts in the row.
    """

    model: type[Any]
    channel: str | None = None
    policy: Policy | None = None
    exclude: frozenset[str] = frozenset()
    as_text: frozenset[str] = frozenset()


def live(
    model: type[Any],
    *,
    channel: str | None = None,
    policy: Policy | None = None,
    exclude: Collection[str] = (),
    as_text: Collection[str] = (),
) -> Live:
    """Declare, in a feature's ``events.py``, that changes of `model` are published as they are.

    Subscribers get the changes of those rows that they may see, by the rules of visibility. The
    declaration is a mark on the module that calls it, which the start finds and checks.

    Args:
        model: A mapped class. Changes of its subclasses are published as rows of it.
        channel: The channel's name behind ``feature:``; by default the plural of the class's name
            in small letters, as in the address of a resource: ``flight-segments``.
        policy: Who may subscribe; by default whoever may view such rows in the admin.
        exclude: Names of attributes that no event shows.
        as_text: Names of whole numbers that are texts in JSON, as of a resource.

    Returns:
        The declaration.

    Raises:
        TypeError: `policy` is none.
    """
    if policy is not None and not isinstance(policy, Policy):
        raise TypeError(f"a policy is one of trivet's, not {policy!r}")
    declared = Live(model, channel, policy, frozenset(exclude), frozenset(as_text))
    frame = inspect.currentframe()
    caller = frame.f_back if frame is not None else None
    if caller is not None:
        caller.f_globals.setdefault(LIVE_MARK, []).append(declared)
    return declared


class LiveFeed:
    """The feed of a live class: one channel, with the form in which its rows are shown.

    Attributes:
        channel: The channel's whole name, ``library:loans``.
        model: The mapped class.
        policy: Who may subscribe.
        feature: The name of its feature, which is the channel's namespace.
        is_judged: Whether a row rule may keep rows from a subscriber.
    """

    shows_whole_rows = True

    def __init__(
        self,
        feature: str,
        declared: Live,
        *,
        writers: Mapping[str, Writer | None],
        is_judged: bool,
    ) -> None:
        model = declared.model
        self.model = model
        self.feature = feature
        self.channel = f"{feature}:{_channel_of(declared)}"
        self.policy = declared.policy or requires(_permission_of(feature, model))
        self.is_judged = is_judged
        self.__name__ = f"live({model.__name__})"
        self._mapper: Mapper[Any] = inspect_mapped(model)
        self._type = f"{identifier_of(model)}_changed"
        self._writers = {
            name: str if name in declared.as_text else writer
            for name, writer in writers.items()
            if name not in declared.exclude
        }
        self._telling = self._writers.keys() | (_judgeable(self._mapper) if is_judged else set())
        self._keys = tuple(
            self._mapper.get_property_by_column(each).key for each in self._mapper.primary_key
        )

    @property
    def mapper(self) -> Mapper[Any]:
        """The mapper of the class."""
        return self._mapper

    def __call__(self, change: Change[Any]) -> Iterator[NewPublication]:
        """The publications of a change: of a captured one, which knows the row before it."""
        assert isinstance(change, CapturedChange)
        mapper = instance_state(change.instance).mapper
        if not _lies_in(mapper, self._mapper):
            return
        if change.kind == "delete":
            yield self._tell("delete", change, change.before, None)
            return
        columns = columns_of(mapper)
        present = instance_state(change.instance).dict
        # What was never set is NULL; None may be the null of a document.
        row = {
            key: present.get(key)
            for key, column in columns.items()
            if key in present or not column.type.should_evaluate_none
        }
        if change.kind == "insert":
            yield self._tell("insert", change, None, row)
            return
        old = {key: value for key, value in change.old.items() if key in columns}
        if any(key in old for key in self._keys):
            yield self._tell("delete", change, {**row, **old}, None)
            yield self._tell("insert", change, None, row)
        elif not self._telling.isdisjoint(old):
            yield self._tell("update", change, old, row)

    def _tell(
        self,
        kind: Kind,
        change: CapturedChange[Any],
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> NewPublication:
        row: Mapping[str, Any] = after if after is not None else before or {}
        event = LiveEvent(self._type, kind, key_text(map(row.get, self._keys)))
        if after is not None:
            event.row = msgspec.Raw(self._encode(after))
        data = _encoder.encode(event).decode()
        if not self.is_judged:
            return NewPublication(self.channel, data)
        return NewPublication(
            self.channel,
            data,
            row_before=self._store(change, before),
            row_after=self._store(change, after),
        )

    def _store(self, change: CapturedChange[Any], row: Mapping[str, Any] | None) -> str | None:
        return None if row is None else encode_row(self._mapper, change.dialect, row)

    def _encode(self, row: Mapping[str, Any]) -> bytes:
        shown = {}
        for name, writer in self._writers.items():
            value = row.get(name)
            shown[name] = value if value is None or writer is None else writer(value)
        return _encoder.encode(shown)


class LiveEvent(msgspec.Struct, omit_defaults=True):
    """An event of a live class, in the order in which browsers get it."""

    type: str
    kind: Kind
    key: str
    row: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def as_insert(data: bytes) -> bytes:
    """The event of an update for somebody who sees the row from now on."""
    event = _decoder.decode(data)
    event.kind = "insert"
    return _encoder.encode(event)


def as_delete(data: bytes) -> bytes:
    """The event of an update for somebody who sees the row no more: its key alone."""
    event = _decoder.decode(data)
    return _encoder.encode(LiveEvent(event.type, "delete", event.key))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(LiveEvent)


def faults_of(declared: Live) -> Iterator[str]:
    """What is wrong with a declaration, each with its cure."""
    mapper = inspect_mapped(declared.model, raiseerr=False)
    name = getattr(declared.model, "__name__", repr(declared.model))
    if not isinstance(mapper, Mapper):
        yield (
            f"live({name}) names no mapped class: name one of models.py. Of a model of Django's "
            "write a feed, @feed('app.Model')."
        )
        return
    for attribute in sorted((declared.exclude | declared.as_text) - columns_of(mapper).keys()):
        yield f"live({name}) names {attribute!r}, and {name} has no such column."
    if declared.channel is not None and not _CHANNEL.fullmatch(declared.channel):
        yield (
            f"live({name}, channel={declared.channel!r}): write the part behind the feature's name "
            "in small letters, digits and hyphens, such as 'open-loans'."
        )


def _channel_of(declared: Live) -> str:
    if declared.channel is not None:
        return declared.channel
    return plural_identifier_of(declared.model).replace("_", "-")


def _permission_of(feature: str, model: type[Any]) -> str:
    owner = find_naming_feature(model) or feature
    return f"{owner}.view_{model.__name__.lower()}"


def _judgeable(mapper: Mapper[Any]) -> set[str]:
    """The attributes that a row rule may read: an update of one of them may show or hide a row."""
    return {key for key, column in columns_of(mapper).items() if not is_secret(column)}


def _lies_in(mapper: Mapper[Any], base: Mapper[Any]) -> bool:
    """Whether rows of `mapper` are rows of `base` too: those of a concrete subclass are not."""
    above: Mapper[Any] | None = mapper
    while above is not None and above is not base:
        above = None if above.concrete else above.inherits
    return above is base


def bad_declarations(faults: Sequence[str]) -> ConfigurationError:
    """The error about declarations of live classes that cannot be right."""
    return ConfigurationError("live", " ".join(faults))
