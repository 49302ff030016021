"""A Centrifugo in front: whether it gets publications, and can be told something."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trivet_deploy.checks.finding import Finding, advise

if TYPE_CHECKING:
    from trivet_settings import Settings

NAME = "centrifugo"
SECONDS = 3.0
"""How long its server API may take to answer."""


def find_centrifugo(settings: "Settings") -> Iterator[Finding]:
    """What keeps Centrifugo from its work, if the settings provide for one. The database has to
    answer."""
    if not settings.centrifugo_secret.get_secret_value() or settings.database.is_sqlite:
        return
    if fault := _find_api_fault(settings):
        yield Finding(NAME, "failed", f"{settings.centrifugo_api_url}: {fault}")
    advices = list(_find_advices(settings))
    yield from (advise(NAME, sentence) for sentence in advices)
    if not fault and not advices:
        yield Finding(NAME, "ok", "it gets every publication, and can be told what is revoked")


def _find_api_fault(settings: "Settings") -> str:
    import httpx2

    headers = {"x-api-key": settings.centrifugo_api_key.get_secret_value()}
    address = f"{settings.centrifugo_api_url}/info"
    try:
        answer = httpx2.post(address, json={}, headers=headers, trust_env=False, timeout=SECONDS)
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        return str(error) or type(error).__name__
    return ""


def _find_advices(settings: "Settings") -> Iterator[str]:
    from sqlalchemy import text

    from trivet.data.single_connection import connect
    from trivet_realtime.centrifugo import outbox, streams

    triggers = {"outbox": outbox.TRIGGER, "stream": streams.TRIGGER}
    query = "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass('trivet_publication')"
    with connect(settings.database_url) as connection:
        found = set(connection.scalars(text(query)))
    if triggers.pop(settings.centrifugo_source) not in found:
        yield "its tables get no publications: run `trivet centrifugo graduate`"
    for source, trigger in triggers.items():
        if trigger in found:
            yield (
                f"publications are written for the source {source} too, which nobody reads: run "
                "`trivet centrifugo return`, and then `trivet centrifugo graduate`"
            )
