"""One question of Centrifugo, as a client of ours that has no connection.

Who the client is:

* Centrifugo forwards the cookie and the Authorization header of the handshake with every question.
  The root establishes an identity from them, as for every request.
* A connection that was accepted by them has to be that user in every later question. After a logout
  it is nobody, and so it has ended.
* A connection that came with a token is whom Centrifugo says, because it has checked the token
  with our key and sends our secret. The user is read from the database, which may have disabled it
  by now, and so is the session that asked for the token, which may have ended.
  If the handshake is of the same user, its identity counts: an API key may have less than its
  owner.

The identities of recent clients are remembered, a bounded number of them, because a revocation may
name a credential alone, and Centrifugo knows users and clients.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from trivet.identity import Identity
from trivet.identity.revocation import Revocation
from trivet.origin import Origin
from trivet_realtime.centrifugo.messages import Meta, Question
from trivet_realtime.client import Client
from trivet_realtime.codes import CREDENTIAL_REVOKED, Disconnected
from trivet_realtime.commands.session import Session
from trivet_realtime.credentials import Credential
from trivet_realtime.hub import Hub

MOST_CLIENTS = 100_000
"""Clients of which a process remembers who they are; the longest unheard of is forgotten first."""


class Visitors:
    """Who the clients of Centrifugo are, as far as this process was asked about them."""

    def __init__(self, most: int = MOST_CLIENTS) -> None:
        self._most = most
        self._identities: OrderedDict[str, Identity] = OrderedDict()

    def note(self, client: str, identity: Identity) -> None:
        """Remember who `client` is now."""
        self._identities[client] = identity
        self._identities.move_to_end(client)
        if len(self._identities) > self._most:
            self._identities.popitem(last=False)

    def find_concerned(self, revocation: Revocation) -> Iterator[tuple[str, str]]:
        """The clients that `revocation` is about, each with the id of its user."""
        for client, identity in tuple(self._identities.items()):
            if revocation.concerns(identity):
                yield client, user_of(identity)

    def forget(self, client: str) -> None:
        """Forget a client that was sent away."""
        self._identities.pop(client, None)


@dataclass(frozen=True, slots=True)
class Visit:
    """A question, with the session that a function of ours takes."""

    session: Session
    question: Question

    @property
    def identity(self) -> Identity:
        return self.session.client.identity

    @property
    def hub(self) -> Hub:
        return self.session.hub


async def begin_connection(hub: Hub, origin: Origin, question: Question) -> Visit:
    """The visit of a client that connects: whom the handshake says."""
    return _visit(hub, origin, question, origin.identity)


async def begin_visit(hub: Hub, origin: Origin, question: Question) -> Visit:
    """The visit of a client that is connected.

    Raises Disconnected (3500) for one that is nobody any more.
    """
    return _visit(hub, origin, question, await _identify(hub, origin.identity, question))


async def _identify(hub: Hub, handshake: Identity, question: Question) -> Identity:
    if user_of(handshake) == question.user:
        return handshake
    meta = _read(question)
    if meta.handshake:
        raise Disconnected(CREDENTIAL_REVOKED)
    named = hub.credentials.read_session(meta.session)
    return await hub.credentials.of_user(question.user, meta.credential, named)


def user_of(identity: Identity) -> str:
    """The user's id as the protocol writes it; empty: nobody."""
    return Credential(identity).user


def _read(question: Question) -> Meta:
    """What the connection's `meta` says. A token's may be anything."""
    try:
        return msgspec.json.decode(question.meta or b"{}", type=Meta)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Meta()


def _visit(hub: Hub, origin: Origin, question: Question, identity: Identity) -> Visit:
    client = Client(origin.by(identity), hub.bounds)
    client.id = question.client
    client.credential = Credential(identity)
    return Visit(Session(hub, client), question)
