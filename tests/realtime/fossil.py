"""The other half of Fossil's delta, as an SDK has it: what makes a text of a source and a delta.

Written from the description of the format, and not from our own encoder.
"""

DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"


class _Reader:
    def __init__(self, delta: bytes) -> None:
        self.delta = delta
        self.at = 0

    def number(self) -> int:
        value = 0
        while (digit := DIGITS.find(self.delta[self.at : self.at + 1])) >= 0 and self.at < len(
            self.delta
        ):
            value = value * 64 + digit
            self.at += 1
        return value

    def take(self, count: int) -> bytes:
        taken = self.delta[self.at : self.at + count]
        assert len(taken) == count
        self.at += count
        return taken


def apply_delta(source: bytes, delta: bytes) -> bytes:
    """The target; an AssertionError if the delta does not fit."""
    reader = _Reader(delta)
    size = reader.number()
    assert reader.take(1) == b"\n"
    target = b""
    while True:
        count = reader.number()
        match reader.take(1):
            case b"@":
                start = reader.number()
                assert reader.take(1) == b","
                assert start + count <= len(source)
                target += source[start : start + count]
            case b":":
                target += reader.take(count)
            case b";":
                assert len(target) == size
                assert count == _checksum(target)
                return target
            case other:
                raise AssertionError(other)


def _checksum(data: bytes) -> int:
    filled = data + b"\0" * (-len(data) % 4)
    words = (int.from_bytes(filled[at : at + 4], "big") for at in range(0, len(filled), 4))
    return sum(words) % 2**32
