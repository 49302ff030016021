"""A place in the write-ahead log of PostgreSQL, by which a commit and a replica are compared.

The log is one stream of bytes, and a replica replays it in order. So a replica that has replayed up
to the place of a commit shows that commit, and all before it. After a failover the log goes on in a
new timeline. A server that still follows the old one may have come just as far in bytes that are
not the same, so the timeline is a part of the place.
"""

import re
from typing import NamedTuple

_FORM = re.compile(r"([0-9A-F]{1,8})-([0-9A-F]{1,16})")


class WalPosition(NamedTuple):
    """A timeline and a byte in it. Later positions are larger.

    The text that travels is both in hexadecimal digits, as in ``1-16B374D848``.
    """

    timeline: int
    byte: int

    @classmethod
    def parse(cls, text: str) -> "WalPosition":
        """Read the text of a client; whatever is none is `BEYOND`."""
        found = _FORM.fullmatch(text)
        return BEYOND if found is None else cls(int(found[1], 16), int(found[2], 16))

    @classmethod
    def of_server(cls, timeline: int, lsn: str) -> "WalPosition":
        """The position at `lsn`, as PostgreSQL writes it: ``16/B374D848``."""
        high, _, low = lsn.partition("/")
        return cls(timeline, (int(high, 16) << 32) + int(low, 16))

    def covers(self, other: "WalPosition") -> bool:
        """Whether a server that has replayed up to here shows what was committed at `other`.

        A later timeline has the earlier one in it up to where it forked. What was committed behind
        the fork is lost, on every server.
        """
        return self.timeline >= other.timeline and self.byte >= other.byte

    def __str__(self) -> str:
        return f"{self.timeline:X}-{self.byte:X}"


BEYOND = WalPosition(0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""No replica ever gets there: the position of a client of which none is known."""
