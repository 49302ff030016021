"""One line in the log for each login, for people and for programs that block intruders.

The form is a promise (docs/security.md): the event is ``login``, and ``outcome``, ``account`` and
``address`` stand beside it. Account and address are what a stranger sent, so they are
percent-encoded (RFC 3986): no name can break the line, end a quotation or look like another field.
A password is in none of them.
"""

from typing import Literal
from urllib.parse import quote

import structlog

LoginOutcome = Literal["succeeded", "failed", "throttled"]

LONGEST = 150
"""How much of a name is logged, in characters: what Django's longest user name has."""

logger = structlog.stdlib.get_logger("trivet.login")


def log_login(outcome: LoginOutcome, account: str, address: str) -> None:
    """Write the line. A success is information, anything else a warning."""
    write = logger.info if outcome == "succeeded" else logger.warning
    write("login", outcome=outcome, account=_plain(account), address=_plain(address))


def _plain(text: str) -> str:
    return quote(text[:LONGEST], safe="@+:", errors="replace")
