"""Nobody gives what they do not have: the identity that is judged, and the words of a refusal.

A staff member who may change users could otherwise make themselves a superuser. The rule is
checked where every write passes, whatever form, endpoint, action or service caused it:
users, groups and permissions at Django's statements (`trivet_admin.users.grants`), API keys in
the flush (`trivet.identity.key_grants`). The acting identity of the unit of work is judged.
The product's own work, such as a command, may give everything.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from trivet.errors import Forbidden, InputError
from trivet.identity.identity import Identity, system

_declared: ContextVar[Identity | None] = ContextVar("trivet_granter", default=None)

Refusal = tuple[str, str]
"""The attribute of a refusal ("" for the whole), and a sentence with the reason."""


@contextmanager
def grant_as(identity: Identity) -> Iterator[None]:
    """Grant permissions in the name of `identity` inside the block, not of the caller.

    It is for code that grants by a decision of its own, such as a registration that puts each
    new user into a group. The audit trail still names the caller.

    Args:
        identity: The identity whose permissions count, such as ``system("registration")``.

    Example:
        ::

            with grant_as(system("registration")):
                user.groups.add(members)
    """
    token = _declared.set(identity)
    try:
        yield
    finally:
        _declared.reset(token)


def granter_of(actor: Identity | None) -> Identity:
    """The identity whose permissions count for the writes of `actor`. Without an actor it is the
    product itself."""
    return _declared.get() or actor or system("trivet")


def lacking(granter: Identity, permissions: Iterable[str]) -> list[str]:
    """The permissions among `permissions` that `granter` does not hold, sorted."""
    return sorted({each for each in permissions if not granter.allows(each)})


def refusal_of(refusals: Sequence[Refusal]) -> Forbidden:
    """The error with `refusals`, which are not empty."""
    faults: list[InputError] = [
        {"pointer": f"/{attribute}" if attribute else "", "detail": sentence}
        for attribute, sentence in refusals
    ]
    sentences = dict.fromkeys(sentence for _, sentence in refusals)
    return Forbidden("grant-refused", " ".join(sentences), errors=faults)
