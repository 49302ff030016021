"""Filters by tags: a small tree that a subscriber sends. A publication's tags match it or not.

A leaf compares the value of one tag; other nodes join their children by and, or, not. The words are
those of the protocol (``FilterNode`` of client.proto).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct

Tags = Mapping[str, str]

MOST_NODES = 100
"""Nodes of one filter, which is evaluated for every publication."""
MOST_CHARACTERS = 50
"""A number that is compared has fewer: the cost of reading one grows with them."""


class Filter(Struct, frozen=True):
    """A node. Without `op` it is a leaf, which compares the tag `key` by `cmp`."""

    op: str = ""
    key: str = ""
    cmp: str = ""
    val: str = ""
    vals: tuple[str, ...] = ()
    nodes: tuple["Filter", ...] = ()

    def matches(self, tags: Tags) -> bool:
        """Whether publications with `tags` pass. The filter is a valid one."""
        if self.op == "and":
            return all(node.matches(tags) for node in self.nodes)
        if self.op == "or":
            return any(node.matches(tags) for node in self.nodes)
        if self.op == "not":
            return not self.nodes[0].matches(tags)
        return _COMPARISONS[self.cmp](tags.get(self.key), self)


class InvalidFilter(ValueError):
    """A filter that means nothing."""


def read_filter(raw: bytes) -> Filter:
    """The filter that a client sent. Raises InvalidFilter."""
    try:
        found = _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidFilter(str(error)) from error
    if _count(found) > MOST_NODES:
        raise InvalidFilter(f"more than {MOST_NODES} nodes")
    _require_valid(found)
    return found


_decoder = msgspec.json.Decoder(Filter)


def _count(node: Filter) -> int:
    return 1 + sum(_count(child) for child in node.nodes)


def _require_valid(node: Filter) -> None:
    if node.op == "":
        if not _is_valid_leaf(node):
            raise InvalidFilter(f"a leaf that compares by {node.cmp!r} has other values")
        return
    if node.op not in ("and", "or", "not"):
        raise InvalidFilter(f"no operation {node.op!r}")
    if not node.nodes or (node.op == "not" and len(node.nodes) > 1):
        raise InvalidFilter(f"another number of nodes under {node.op!r}")
    for child in node.nodes:
        _require_valid(child)


def _is_valid_leaf(leaf: Filter) -> bool:
    if leaf.cmp in ("ex", "nex"):
        return not (leaf.val or leaf.vals)
    if leaf.cmp in ("in", "nin"):
        return bool(leaf.key and leaf.vals) and not leaf.val
    return leaf.cmp in _COMPARISONS and bool(leaf.key and leaf.val) and not leaf.vals


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal(text) if text is not None and len(text) < MOST_CHARACTERS else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _by_number(holds: Callable[[Decimal, Decimal], bool]) -> Callable[[str | None, Filter], bool]:
    def compare(value: str | None, leaf: Filter) -> bool:
        ours, theirs = _number(value), _number(leaf.val)
        return ours is not None and theirs is not None and holds(ours, theirs)

    return compare


_COMPARISONS: Mapping[str, Callable[[str | None, Filter], bool]] = {
    "eq": lambda value, leaf: value == leaf.val,
    "neq": lambda value, leaf: value != leaf.val,
    "in": lambda value, leaf: value in leaf.vals,
    "nin": lambda value, leaf: value not in leaf.vals,
    "ex": lambda value, _leaf: value is not None,
    "nex": lambda value, _leaf: value is None,
    "sw": lambda value, leaf: value is not None and value.startswith(leaf.val),
    "ew": lambda value, leaf: value is not None and value.endswith(leaf.val),
    "ct": lambda value, leaf: value is not None and leaf.val in value,
    "lt": _by_number(lambda ours, theirs: ours < theirs),
    "lte": _by_number(lambda ours, theirs: ours <= theirs),
    "gt": _by_number(lambda ours, theirs: ours > theirs),
    "gte": _by_number(lambda ours, theirs: ours >= theirs),
}


def read_tags(raw: bytes | None) -> Tags:
    """The tags of a stored publication."""
    return {} if raw is None else _tags.decode(raw)


_tags = msgspec.json.Decoder(dict[str, str])
