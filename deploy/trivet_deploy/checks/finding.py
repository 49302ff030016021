"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. A warning is an advice, a failure means that it will not work."""

    name: str
    state: State
    sentence: str


def advise(name: str, sentence: str) -> Finding:
    """Something that works, and is probably not meant."""
    return Finding(name, "warning", sentence)
