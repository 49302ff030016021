"""Fossil's delta: a text as its difference from another one.

The format is that of the Fossil version control system, which SDKs apply:
https://fossil-scm.org/home/doc/tip/www/delta_format.wiki. No library that is still kept makes one.

A delta copies ranges of the source and inserts bytes between. The source is cut into blocks, whose
places are looked up by their content; where the target has the same block, the match is extended
in both directions. The delta of two texts in UTF-8 is UTF-8 too, as it travels in a JSON string: no
range begins or ends within a character.
"""

from collections.abc import Iterator

BLOCK = 16
"""Bytes of a block, as in Fossil: a shorter match saves nothing."""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_WORD = 0xFFFFFFFF
MOST_PLACES = 8
"""Places of equal blocks that are compared: of a source of one letter all blocks are equal."""


def make_delta(source: bytes, target: bytes) -> bytes:
    """The delta that makes `target` of `source`."""
    parts = [_number(len(target)), b"\n"]
    inserted = 0
    for at, start, length in _matches(source, target):
        parts += _insert(target[inserted:start])
        parts += [_number(length), b"@", _number(at), b","]
        inserted = start + length
    parts += _insert(target[inserted:])
    parts += [_number(_checksum(target)), b";"]
    return b"".join(parts)


def _matches(source: bytes, target: bytes) -> Iterator[tuple[int, int, int]]:
    """Ranges that both have: place in the source, place in the target, length."""
    places: dict[bytes, list[int]] = {}
    for at in range(0, len(source) - BLOCK + 1, BLOCK):
        found = places.setdefault(source[at : at + BLOCK], [])
        if len(found) < MOST_PLACES:
            found.append(at)
    done = position = 0
    while position <= len(target) - BLOCK:
        candidates = places.get(target[position : position + BLOCK])
        if candidates is None:
            position += 1
            continue
        at, start, length = max(
            (_extend(source, target, at, position, done) for at in candidates),
            key=lambda match: match[2],
        )
        at, start, length = _whole_characters(target, at, start, length)
        if length:
            yield at, start, length
            done = start + length
        position = max(start + length, position + 1)


def _extend(
    source: bytes, target: bytes, at: int, position: int, done: int
) -> tuple[int, int, int]:
    """The longest match around a block; it begins in the target at `done` or later."""
    before = 0
    limit = min(at, position - done)
    while before < limit and source[at - before - 1] == target[position - before - 1]:
        before += 1
    after = BLOCK
    limit = min(len(source) - at, len(target) - position)
    while after < limit and source[at + after] == target[position + after]:
        after += 1
    return at - before, position - before, before + after


def _whole_characters(target: bytes, at: int, start: int, length: int) -> tuple[int, int, int]:
    """The part of a match that is made of whole characters."""
    while length and _continues(target, start):
        at, start, length = at + 1, start + 1, length - 1
    while length and _continues(target, start + length):
        length -= 1
    return at, start, length


def _continues(target: bytes, position: int) -> bool:
    """Whether a byte goes on with the character of the one before it."""
    return position < len(target) and target[position] & 0xC0 == 0x80


def _insert(piece: bytes) -> list[bytes]:
    return [_number(len(piece)), b":", piece] if piece else []


def _number(value: int) -> bytes:
    digits = _DIGITS[value % 64]
    while value := value // 64:
        digits = _DIGITS[value % 64] + digits
    return digits.encode()


def _checksum(data: bytes) -> int:
    """The sum of the big-endian words of four bytes, the last one filled up with zeros."""
    filled = data + b"\0" * (-len(data) % 4)
    total = 0
    for weight, first in zip((24, 16, 8, 0), range(4), strict=True):
        total += sum(filled[first::4]) << weight
    return total & _WORD
