"""Revocations and commands about clients, told to Centrifugo's server API.

They arrive by the broker, as they do for the sockets of this process: whoever revokes something, in
a request, a command or another process, knows nothing of Centrifugo. Every process that serves
tells it what it hears. To be told twice harms nothing: who was sent away is gone.

A call that fails is repeated for a while. One that fails for good is in the log, and what it was
about ends by itself, because Centrifugo asks again about every connection and subscription.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec

from trivet.broker import Broker, Unsubscribe
from trivet.delivery.controls import ClientControl, EphemeralPublication
from trivet.identity import Revocation, RevocationScope
from trivet_realtime import codes
from trivet_realtime.centrifugo.visit import Visitors
from trivet_realtime.codes import CREDENTIAL_REVOKED, GRANTS_CHANGED, DisconnectCode
from trivet_realtime.news import end_all, hear
from trivet_settings import Settings

logger = logging.getLogger(__name__)

MOST_CALLS = 100_000
"""Calls that wait. More than that are dropped, with a word in the log."""
CALL_SECONDS = 5.0
PAUSES = (0.1, 0.5, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds before each repetition of a call. Centrifugo may be starting again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the server API."""

    method: str
    request: Mapping[str, Any]


class CentrifugoTeller:
    """Calls Centrifugo, one call after the other, in the order of what has happened."""

    def __init__(self, settings: Settings, node: str, visitors: Visitors) -> None:
        self._url = settings.centrifugo_api_url
        self._key = settings.centrifugo_api_key.get_secret_value()
        self._passes_on = settings.centrifugo_source == "outbox"
        self._node = node
        self._visitors = visitors
        self._calls: asyncio.Queue[Call] = asyncio.Queue(MOST_CALLS)

    def listen(self, broker: Broker) -> Unsubscribe:
        """Hear what happens, from any thread. Returns the function that ends it."""
        return end_all(
            hear(broker, Revocation, self.revoke),
            hear(broker, ClientControl, self.control),
            hear(broker, EphemeralPublication, self.pass_on),
        )

    def revoke(self, revocation: Revocation) -> None:
        """Send away whom `revocation` concerns: for good, or to come back and be asked again."""
        for call in self._calls_for(revocation):
            self._add(call)

    def control(self, control: ClientControl) -> None:
        """Pass on a command of the server API, whose requests are Centrifugo's."""
        self._add(Call(control.method, msgspec.json.decode(control.request)))

    def pass_on(self, ephemeral: EphemeralPublication) -> None:
        """Publish what is no row. The stream broker would number it, and nobody here would know
        that number; so this is for the other source. Only the process that published it does it."""
        if self._passes_on and ephemeral.node == self._node:
            request = {
                "channel": ephemeral.channel,
                "data": msgspec.Raw(ephemeral.data.encode()),
                "skip_history": True,
            }
            if ephemeral.tags is not None:
                request["tags"] = msgspec.Raw(ephemeral.tags.encode())
            self._add(Call("publish", request))

    def _calls_for(self, revocation: Revocation) -> Iterator[Call]:
        trust_is_lost = revocation.scope is RevocationScope.CREDENTIAL
        code = CREDENTIAL_REVOKED if trust_is_lost else GRANTS_CHANGED
        is_whole_user = revocation.kind is None or not trust_is_lost
        if revocation.user_id is not None and revocation.credential_id is None and is_whole_user:
            yield _disconnect(str(revocation.user_id), "", code)
            return
        for client, user in self._visitors.find_concerned(revocation):
            yield _disconnect(user, client, code)
            if trust_is_lost:
                self._visitors.forget(client)

    def _add(self, call: Call) -> None:
        try:
            self._calls.put_nowait(call)
        except asyncio.QueueFull:
            # No traceback: the queue is full, and that is all there is to know.
            logger.error(  # noqa: TRY400
                "too much waits to be told to Centrifugo: %s is dropped", call.method
            )

    async def run(self) -> None:
        """Call until the task is cancelled."""
        # On a thread, because a client reads certificates when it is made.
        client = await asyncio.to_thread(httpx2.AsyncClient, trust_env=False, timeout=CALL_SECONDS)
        async with client:
            while True:
                await self._tell(client, await self._calls.get())

    async def _tell(self, client: httpx2.AsyncClient, call: Call) -> None:
        for pause in (*PAUSES, None):
            try:
                refusal = await self._call(client, call)
            except (httpx2.HTTPError, ValueError, AttributeError) as error:
                fault = str(error) or type(error).__name__
            else:
                if refusal:
                    logger.error("Centrifugo refuses to %s: %s", call.method, refusal)
                return
            if pause is None:
                logger.error("Centrifugo could not be told to %s: %s", call.method, fault)
            else:
                await asyncio.sleep(pause)

    async def _call(self, client: httpx2.AsyncClient, call: Call) -> str:
        """Call once. Returns why Centrifugo will never do it; empty if it has done it.

        Raises HTTPError, ValueError or AttributeError for what may be better next time.
        """
        headers = {"x-api-key": self._key, "content-type": "application/json"}
        body = msgspec.json.encode(call.request)
        answer = await client.post(f"{self._url}/{call.method}", content=body, headers=headers)
        if answer.is_client_error and answer.status_code not in _LATER:
            return f"it answers {answer.status_code}"
        answer.raise_for_status()
        error = answer.json().get("error") or {}
        if error.get("code") in _TEMPORARY:
            raise ValueError(str(error))
        return str(error) if error else ""


_LATER = (408, 429)
"""The statuses of 4xx that say to come again."""
_TEMPORARY = {code.code for code in vars(codes).values() if getattr(code, "temporary", False)}


def _disconnect(user: str, client: str, code: DisconnectCode) -> Call:
    why = {"code": code.code, "reason": code.reason}
    return Call("disconnect", {"user": user, "client": client, "disconnect": why})
