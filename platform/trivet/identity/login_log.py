"""One line in the log for each login, for people and for programs that block intruders.

The form is promised (docs/security.md): the event is ``login``, with the fields ``outcome``,
``account`` and ``address``. A stranger can choose account and address, so they are percent-encoded
(RFC 3986): no name can break the line, end a quotation or look like another field. No field holds a
password.
"""

from typing import Literal
from urllib.parse import quote

import structlog

LoginOutcome = Literal["succeeded", "failed", "throttled", "refused"]
"""A refused one had the right password, and got no session."""

LONGEST = 150
"""The characters of a name that are logged: the length of Django's longest user name."""

logger = structlog.stdlib.get_logger("trivet.login")


def log_login(outcome: LoginOutcome, account: str, address: str) -> None:
    """Write the line: a success as information, anything else as a warning."""
    write = logger.info if outcome == "succeeded" else logger.warning
    write("login", outcome=outcome, account=_plain(account), address=_plain(address))


def _plain(text: str) -> str:
    return quote(text[:LONGEST], safe="@+:", errors="replace")
