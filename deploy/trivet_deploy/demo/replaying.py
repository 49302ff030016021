"""The week's movements, reported through the API as an airline's own system would."""


async def replay(url: str, api_key: str, speed: float) -> None:
    """Report what happened in the week to the server at `url`, `speed` times as fast."""
    from departures.replay import replay_week

    await replay_week(url, api_key, speed=speed)
