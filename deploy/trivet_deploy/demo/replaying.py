"""The week's movements, reported through the API as an airline's own system would.

On a thread with an event loop of its own: a client reads files and thinks, and the server's loop is
to have nothing to do but serve.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal

from trivet_deploy.cli.console import say, warn


@contextmanager
def replaying(url: str, api_key: str, speed: float) -> Iterator[Callable[[], None]]:
    """Gives what starts the replay against the server at `url`; it ends with the block.

    `speed` is how many times as fast as it happened.
    """
    with start_blocking_portal() as portal:
        futures = []
        try:
            yield lambda: futures.append(portal.start_task_soon(_replay, url, api_key, speed))
        finally:
            for future in futures:
                future.cancel()


async def _replay(url: str, api_key: str, speed: float) -> None:
    from departures.replay import ReplayError, replay_week

    try:
        await replay_week(url, api_key, speed=speed, say=say)
    except ReplayError as error:
        warn(str(error))
