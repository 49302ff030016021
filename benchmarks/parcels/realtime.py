"""Everybody may watch every depot."""

from trivet_realtime import channel, public


@channel("parcels:{depot}", policy=public)
def depot(depot: str) -> bool:
    return bool(depot)
