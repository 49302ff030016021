"""What clients may send: publications, calls and messages, each taken by a function of a feature.

A feature's ``realtime.py`` declares the functions. The data of a client is read by a model, of
msgspec or pydantic, before the function is called; what the model refuses is answered with 107::

    @publication("chat:{room}", Said)
    def say(db: Session, identity: Identity, room: str, data: Said) -> None:
        db.add(Message(room=room, text=data.text, author_id=identity.user_id))

The function runs in a unit of work. It writes rows; their feeds publish, and the audit trail notes
them. So what a client says comes to the channel like every other change, or not at all.

What needs no row (a cursor, "is typing") is `ephemeral`: it reaches those who are subscribed now,
has no offset, is in no history, and is lost when a connection is::

    @publication("chat:{room}", Typing, ephemeral=True)
    def typing(identity: Identity, room: str, data: Typing) -> bool:
        return identity.is_authenticated

A call (rpc) has a name in place of a channel, and an answer::

    @rpc("chat:rename", Rename)
    def rename(db: Session, identity: Identity, data: Rename) -> Renamed: ...
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw
from pydantic import BaseModel, TypeAdapter, ValidationError

from trivet.errors import ConfigurationError
from trivet.identity.policy import Policy, public
from trivet_realtime.codes import BAD_REQUEST, CommandError
from trivet_realtime.declared import CALLS_MARK, Declared, declare
from trivet_realtime.protocol import Json

F = TypeVar("F", bound=Callable[..., Any])

DATA = "data"
"""The name by which a function takes what the client sent."""
_OFFERED = (DATA, "channel", "client")


@dataclass(frozen=True, slots=True)
class _Declaration:
    """A mark on a function."""

    kind: str
    pattern: str
    model: Any
    policy: Policy
    ephemeral: bool = False


def publication(
    pattern: str, model: Any, *, policy: Policy = public, ephemeral: bool = False
) -> Callable[[F], F]:
    """Declare a function that takes what clients publish to channels like `pattern`.

    It takes, by name, what it needs: `data`, the `identity`, the placeholders, the name of the
    `channel`, the `client` (its connection, as others see it), and `db`; or it is a coroutine
    function and takes `unit`. Only subscribers of the channel may publish.

    Args:
        pattern: The channel's name, with placeholders in braces.
        model: The type of the data: a class of msgspec's or pydantic's, or any type they read.
        policy: Who may publish at all.
        ephemeral: Whether the data itself is passed to the present subscribers, without a row. The
            function then returns True to allow it, or raises. Otherwise the function writes rows,
            whose feeds publish, and returns nothing.

    Returns:
        The decorator, which returns the function itself.
    """
    return _mark(_Declaration("publication", pattern, model, policy, ephemeral))


def rpc(name: str, model: Any = None, *, policy: Policy = public) -> Callable[[F], F]:
    """Declare a function that clients may call.

    Args:
        name: The method, with the feature's name before it: ``chat:rename``.
        model: The type of the data; None: the function takes no data.
        policy: Who may call it.

    Returns:
        The decorator, which returns the function itself. What the function returns is the answer.
    """
    return _mark(_Declaration("rpc", name, model, policy))


def message(model: Any, *, policy: Policy = public) -> Callable[[F], F]:
    """Declare the function that takes messages of clients which want no answer (send).

    Only one function in all features can take them, because such a message has no name.

    Args:
        model: The type of the data.
        policy: Who may send.

    Returns:
        The decorator, which returns the function itself.
    """
    return _mark(_Declaration("message", "", model, policy))


def _mark(declaration: _Declaration) -> Callable[[F], F]:
    if not isinstance(declaration.policy, Policy):
        raise TypeError(f"a policy is one of trivet's, not {declaration.policy!r}")

    def mark(function: F) -> F:
        setattr(function, CALLS_MARK, (*getattr(function, CALLS_MARK, ()), declaration))
        return function

    return mark


@dataclass(frozen=True, slots=True)
class ClientCall:
    """A declared function, with the reader of its data."""

    declared: Declared
    read: Callable[[bytes], Any]
    ephemeral: bool = False

    def match(self, name: str) -> dict[str, str] | None:
        """The values of the placeholders in `name`; None if it is not one of these."""
        found = self.declared.expression.fullmatch(name)
        return None if found is None else found.groupdict()

    def arguments(self, data: Json) -> dict[str, Any]:
        """The function's argument for `data`. Raises CommandError (107) for what its model
        refuses."""
        if DATA not in self.declared.takes:
            return {}
        try:
            return {
                DATA: self.read(b"null" if isinstance(data, msgspec.UnsetType) else bytes(data))
            }
        except (msgspec.MsgspecError, ValidationError, UnicodeError, RecursionError) as error:
            raise CommandError(BAD_REQUEST) from error


@dataclass(frozen=True, slots=True)
class ClientCalls:
    """All functions that clients may reach."""

    publications: Mapping[str, Sequence[ClientCall]] = field(default_factory=dict)
    methods: Mapping[str, ClientCall] = field(default_factory=dict)
    message: ClientCall | None = None

    def find_publication(
        self, namespace: str, channel: str
    ) -> tuple[ClientCall, dict[str, str]] | None:
        """The function for publications to `channel`, with the values of its placeholders."""
        for call in self.publications.get(namespace, ()):
            values = call.match(channel)
            if values is not None:
                return call, values
        return None


def collect_calls(modules: Mapping[str, Any]) -> ClientCalls:
    """The functions in `modules`: each feature's name with its ``realtime.py``.

    Raises ConfigurationError for a pattern outside of the feature's namespace, two functions of
    one name, or a function that asks for what nobody gives.
    """
    publications: dict[str, list[ClientCall]] = {}
    methods: dict[str, ClientCall] = {}
    messages: list[ClientCall] = []
    for namespace, module in modules.items():
        for function in vars(module).values():
            for declaration in getattr(function, CALLS_MARK, ()):
                call = _make_call(namespace, declaration, function)
                if declaration.kind == "publication":
                    publications.setdefault(namespace, []).append(call)
                elif declaration.kind == "message":
                    messages.append(call)
                elif declaration.pattern in methods:
                    raise _twice(f"@rpc({declaration.pattern!r})")
                else:
                    methods[declaration.pattern] = call
    if len(messages) > 1:
        raise _twice("@message")
    return ClientCalls(publications, methods, messages[0] if messages else None)


def _twice(what: str) -> ConfigurationError:
    return ConfigurationError("two-client-functions", f"{what} stands on two functions.")


def _make_call(namespace: str, declaration: _Declaration, function: Any) -> ClientCall:
    pattern = declaration.pattern or f"{namespace}:message"
    declared = declare(namespace, pattern, function, declaration.policy, also=_OFFERED)
    return ClientCall(declared, _reader_of(declaration.model), declaration.ephemeral)


def _reader_of(model: Any) -> Callable[[bytes], Any]:
    """Reads JSON as `model`. What msgspec cannot read, pydantic can."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        try:
            return msgspec.json.Decoder(model).decode
        except TypeError:
            pass
    return TypeAdapter(model).validate_json


def encode_answer(value: Any) -> Json:
    """What a function returned, as JSON; nothing for None."""
    if value is None:
        return UNSET
    if isinstance(value, BaseModel):
        return Raw(value.model_dump_json().encode())
    return Raw(msgspec.json.encode(value, enc_hook=_encode_model))


def _encode_model(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is no JSON: return a class of msgspec's or pydantic's")
