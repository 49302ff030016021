"""Clients of a hub that no socket carries: what is sent to them is written down."""

import msgspec

from trivet.identity import ANONYMOUS
from trivet.origin import Origin
from trivet_realtime.client import Client
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub


class Pipe:
    """A carrier that takes everything, and writes it down; not `is_clear`, it takes nothing."""

    direct = None
    waiting_bytes = 0

    def __init__(self) -> None:
        self.is_clear = True
        self.frames: list[Frame] = []

    def write(self, frame: Frame) -> None:
        assert self.is_clear
        self.frames.append(frame)

    @property
    def sent(self) -> list[int]:
        """Offsets of publications, codes of unsubscribes."""
        lines = [line for frame in self.frames for line in frame.payload.splitlines()]
        pushes = [msgspec.json.decode(line)["push"] for line in lines]
        return [
            push["pub"]["offset"] if "pub" in push else push["unsubscribe"]["code"]
            for push in pushes
        ]


def connected(hub: Hub, carrier: Pipe | None = None) -> tuple[Client, Pipe]:
    """A client whose frames go into a pipe, or into `carrier`."""
    client, pipe = hub.admit(Origin(ANONYMOUS)), carrier or Pipe()
    client.outgoing.attach(pipe)
    return client, pipe
