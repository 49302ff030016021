"""Channels of all names, which open no live one, and all that a namespace offers."""

from trivet_realtime import Namespace, channel, publication

freight = Namespace(delta=True, tags_filter=True)


@channel("freight:{anything}")
def anything(anything: str) -> bool:
    return bool(anything)


@publication("freight:{anything}", dict, ephemeral=True)
def shout(data: dict[str, str]) -> bool:
    return bool(data)
