"""The address at which Centrifugo asks: ``POST /ws/centrifugo/{connect,subscribe,…}``.

The answer is always 200, with a result, an error or a disconnect, as Centrifugo's proxies expect
it. A wrong secret is 403: that is a fault of the installation, which Centrifugo logs, and no word
of it reaches a client. Without a secret in the settings there is nothing here.

The address lies under the sockets' own prefix, which a balancer sends to Centrifugo as soon as that
serves them. So only those who reach this process directly can ask.
"""

import hmac
import logging
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from trivet.asgi.problem import error_response, no_such_page
from trivet.context import context_of
from trivet.errors import ConfigurationError, Forbidden
from trivet_realtime import codes
from trivet_realtime.centrifugo.answers import QUESTIONS, refuse
from trivet_realtime.centrifugo.visit import Visitors, begin_connection, begin_visit
from trivet_realtime.codes import CommandError
from trivet_realtime.hub import Hub
from trivet_realtime.protocol.codec import is_too_deep
from trivet_settings import Settings

logger = logging.getLogger(__name__)

SECRET_HEADER = "X-Centrifugo-Secret"  # noqa: S105  # the name of a header, no secret

_REFUSAL = Forbidden(
    "bad-centrifugo-secret",
    f"Centrifugo has to send TRIVET_CENTRIFUGO_SECRET in the header {SECRET_HEADER}: "
    "`trivet centrifugo config` shows how.",
)


def require_whole(settings: Settings) -> None:
    """Raise ConfigurationError for settings by which Centrifugo would ask, and then never learn
    that an answer is no longer true; or that no Centrifugo can work with."""
    if not settings.centrifugo_secret.get_secret_value():
        return
    if settings.database.is_sqlite:
        raise ConfigurationError(
            "centrifugo-without-postgresql",
            "TRIVET_CENTRIFUGO_SECRET is set, and the database is SQLite: Centrifugo reads "
            "publications from PostgreSQL alone. Let TRIVET_DATABASE_URL name one.",
        )
    if not (settings.centrifugo_api_url and settings.centrifugo_api_key.get_secret_value()):
        raise ConfigurationError(
            "centrifugo-not-told",
            "TRIVET_CENTRIFUGO_SECRET is set, and Centrifugo would never be told that somebody "
            "has logged out: set TRIVET_CENTRIFUGO_API_URL and TRIVET_CENTRIFUGO_API_KEY too.",
        )


class CentrifugoEndpoint:
    """Answers the questions that come with `secret`."""

    def __init__(self, hub: Hub, secret: str, visitors: Visitors) -> None:
        self._hub = hub
        self._secret = secret.encode()
        self._visitors = visitors

    async def answer(self, request: Request) -> Response:
        """Answer one question."""
        method = request.path_params["method"]
        if not self._secret or method not in QUESTIONS:
            return error_response(request.scope, no_such_page(request.scope))
        given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(self._secret, given):
            return error_response(request.scope, _REFUSAL)
        try:
            answered = {"result": await self._answer(request, method)}
        except Exception as error:  # noqa: BLE001  # answered in the form of this protocol, and logged there
            answered = refuse(method, error)
        return Response(msgspec.json.encode(answered), media_type="application/json")

    async def _answer(self, request: Request, method: str) -> dict[str, Any]:
        kind, answer = QUESTIONS[method]
        question = _read(await request.body(), kind, method)
        begin = begin_connection if method == "connect" else begin_visit
        visit = await begin(self._hub, context_of(request.scope).origin, question)
        # First: a revocation may come while the rule is asked.
        self._visitors.note(question.client, visit.identity)
        result: dict[str, Any] = await answer(visit, question)
        return result


def _read(body: bytes, kind: type[Any], method: str) -> Any:
    """The question in `body`. Raises CommandError (107) for anything else."""
    try:
        if is_too_deep(body.decode()):
            raise CommandError(codes.BAD_REQUEST)
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        logger.warning("a question of Centrifugo (%s) cannot be read: %s", method, error)
        raise CommandError(codes.BAD_REQUEST) from error
