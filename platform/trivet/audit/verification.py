"""The check of the chains: one pass over the trail, with memory for one page at a time.

The kinds of damage, with their causes:

| damage | cause: somebody |
|---|---|
| edited | changed a field of an entry, or put a forged one in its place |
| moved | put an entry in another's place |
| removed | deleted entries, the newest included |
| inserted | added entries behind the end, or under an impossible id |
| unlinked | joined authentic pieces that did not follow each other |
| head | changed, deleted or restored the head of a chain, or emptied the trail |
| key | perhaps did nothing: the chain was written under another key |
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any, Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.audit.tables import CHAINS, AuditChain, AuditEntry, id_of, place_of
from trivet.audit.trail import GENESIS, MISSING, OTHER_KEY, AuditTrail
from trivet.errors import Invalid

PAGE_ROWS = 1000
SEARCHES = 100
"""The number of damaged entries that are searched elsewhere. A search reads the whole table."""


def find_other_keys(session: Session, trail: AuditTrail) -> list[str]:
    """The names of unknown keys in the seals of the heads: most likely the secret was changed.
    It is quick, because it reads no entry."""
    heads = session.execute(select(*AuditChain.__table__.columns))
    found = {
        trail.unknown_key(head.seal)
        for head in heads
        if not trail.is_sealed(head.id, head.length, head.hash, head.seal)
    }
    return sorted(found - {""})


def _other_key(key: str, chains: int, entries: int) -> str:
    count = "1 entry" if entries == 1 else f"{entries:,} entries"
    return (
        f"{chains} of {CHAINS} chains were sealed under a key that is not given ({key}), or were "
        f"forged; {count} can be judged with this key only"
    )


_EMPTIED = (
    "there is neither a head nor an entry: the trail was emptied, or never began with "
    "'trivet migrate'"
)

DamageKind = Literal["edited", "moved", "removed", "inserted", "unlinked", "head", "key"]
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage of the trail.

    `entry` is the id of the first entry that is concerned and `last` of the last one; None for a
    head. The ids between them that have the same remainder by 16 are concerned too.
    """

    kind: DamageKind
    chain: int
    detail: str
    entry: int | None = None
    last: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A trail at one moment, in a line that can be kept elsewhere.

    Somebody who knows the key, or has kept an old state of heads and entries, can restore an old
    trail. But that trail does not continue from an anchor that was kept elsewhere.
    """

    lengths: tuple[int, ...]
    digest: str

    @classmethod
    def of(cls, lengths: Sequence[int], hashes: Sequence[str]) -> "Anchor":
        pairs = msgspec.json.encode(list(zip(lengths, hashes, strict=True)))
        return cls(tuple(lengths), hashlib.sha256(pairs).hexdigest())

    @classmethod
    def parse(cls, text: str) -> "Anchor":
        """The anchor that `str` wrote. Raises Invalid."""
        counts, _, digest = text.strip().partition(".")
        lengths = counts.split("-")
        is_digest = len(digest) == hashlib.sha256().digest_size * 2
        if not is_digest or len(lengths) > CHAINS or not all(n.isdecimal() for n in lengths):
            raise Invalid("anchor", f"{text!r} is no anchor: give what 'trivet audit verify' said.")
        return cls((*map(int, lengths), *(0,) * (CHAINS - len(lengths))), digest)

    def __str__(self) -> str:
        used = max((n + 1 for n, length in enumerate(self.lengths) if length), default=1)
        return f"{'-'.join(map(str, self.lengths[:used]))}.{self.digest}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check. `anchor` is the present trail; `other_keys` names the keys in its
    seals that were not given."""

    entries: int
    damages: int
    anchor: Anchor
    other_keys: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return self.damages == 0


@dataclass(slots=True)
class _Chain:
    """The progress of reading a chain. `is_sound`: its last entry was authentic.

    `key` is the unknown key that the head names, if it names one; then `unreadable` counts the
    entries that cannot be checked without it.
    """

    length: int = 0
    newest: str = GENESIS
    is_sound: bool = True
    anchored: str = GENESIS
    key: str = ""
    unreadable: int = 0


def verify(
    session: Session,
    trail: AuditTrail,
    *,
    anchor: Anchor | None = None,
    report: Callable[[Damage], None] = lambda _: None,
) -> Verdict:
    """Check every entry and every head, and pass each damage to `report` when it is found.

    With `anchor`, check also that the present trail continues from it. It needs a read-only unit,
    which sees the data of one moment.
    """
    check = _Check(session, trail, anchor, report)
    check.read_entries()
    check.compare_heads()
    check.compare_anchor()
    return check.verdict()


@dataclass(slots=True)
class _Check:
    session: Session
    trail: AuditTrail
    anchor: Anchor | None
    tell: Callable[[Damage], None]
    chains: list[_Chain] = field(default_factory=lambda: [_Chain() for _ in range(CHAINS)])
    entries: int = 0
    damages: int = 0
    searches: int = 0
    other_keys: dict[str, list[int]] = field(default_factory=dict)
    heads: dict[int, Any] = field(default_factory=dict)
    ends: dict[int, float] = field(default_factory=lambda: dict.fromkeys(range(CHAINS), inf))

    def verdict(self) -> Verdict:
        lengths = [chain.length for chain in self.chains]
        anchor = Anchor.of(lengths, [chain.newest for chain in self.chains])
        return Verdict(self.entries, self.damages, anchor, tuple(self.other_keys))

    def read_entries(self) -> None:
        for head in self.session.execute(select(*AuditChain.__table__.columns)):
            self.heads[head.id] = head
            if self._is_sealed(head):
                self.ends[head.id] = head.length
            elif 0 <= head.id < CHAINS:
                self.chains[head.id].key = self.trail.unknown_key(head.seal)
        for row in self._rows():
            self.entries += 1
            number, position = place_of(row["id"])
            if position < 1 or position > self.ends[number]:
                self._found("inserted", number, "it stands outside of its chain", row)
            else:
                self._read(self.chains[number], number, position, row)

    def _read(self, chain: _Chain, number: int, position: int, row: _Row) -> None:
        is_next = position == chain.length + 1
        if not is_next:
            self._removed(number, chain.length + 1, position - 1)
        is_sound = self.trail.is_authentic(row)
        if not is_sound and chain.key and is_next and row["previous"] == chain.newest:
            chain.unreadable += 1
        elif not is_sound:
            self._explain(number, row)
        elif is_next and chain.is_sound and row["previous"] != chain.newest:
            self._found("unlinked", number, "it did not follow the entry before it", row)
        chain.length, chain.newest, chain.is_sound = position, row["hash"], is_sound
        if self.anchor is not None and position == self.anchor.lengths[number]:
            chain.anchored = row["hash"]

    def _explain(self, number: int, row: _Row) -> None:
        """The damage of an entry that differs from the one that was written."""
        original = self._original_place(row)
        if original is None:
            self._found("edited", number, "its content is not what was written", row)
        else:
            self._found("moved", number, f"it was written as entry {original}", row)

    def _original_place(self, row: _Row) -> int | None:
        """The id under which `row` is authentic. The row holds the hash of its predecessor, which
        stands before that place or was exchanged with the row."""
        self.searches += 1
        if self.searches > SEARCHES:
            return None
        if row["previous"] == GENESIS:
            places = [id_of(chain, 1) for chain in range(CHAINS)]
        else:
            same = select(AuditEntry.id).where(AuditEntry.hash == row["previous"])
            places = [near for at in self.session.scalars(same) for near in (at, at + CHAINS)]
        return next((at for at in places if self.trail.is_authentic({**row, "id": at})), None)

    def compare_heads(self) -> None:
        if not self.heads and not self.entries:
            self._found("head", 0, _EMPTIED)
            return
        for number, chain in enumerate(self.chains):
            head = self.heads.get(number)
            if head is None:
                self._found("head", number, "the head of the chain is gone")
                continue
            if not self._is_sealed(head):
                self._explain_head(number, chain, head)
            elif chain.length == head.length and chain.is_sound and chain.newest != head.hash:
                self._found("head", number, "the head of the chain is of another moment")
            if head.length > chain.length:
                self._removed(number, chain.length + 1, head.length)
        for key, numbers in self.other_keys.items():
            entries = sum(self.chains[number].unreadable for number in numbers)
            self._found("key", numbers[0], _other_key(key, len(numbers), entries))

    def _explain_head(self, number: int, chain: _Chain, head: Any) -> None:
        """The finding for a head without a valid seal: another key, or damage. Anybody can have
        written the key's name into it, so it counts only if the entries do not contradict it."""
        continued = head.seal.startswith(OTHER_KEY)
        if head.seal == MISSING:
            self._found("head", number, "the head of the chain was gone, and was made anew")
        elif chain.key and (chain.unreadable or continued or not head.length):
            self.other_keys.setdefault(chain.key, []).append(number)
        else:
            self._found("head", number, "the head of the chain is not what was written")

    def compare_anchor(self) -> None:
        if self.anchor is None:
            return
        for number, (chain, length) in enumerate(
            zip(self.chains, self.anchor.lengths, strict=True)
        ):
            if chain.length < length:
                self._removed(number, chain.length + 1, length)
        anchored = Anchor.of(self.anchor.lengths, [chain.anchored for chain in self.chains])
        if anchored != self.anchor:
            self._found("head", 0, "the trail does not go on from the anchor: it was rewritten")

    def _is_sealed(self, head: Any) -> bool:
        return self.trail.is_sealed(head.id, head.length, head.hash, head.seal)

    def _rows(self) -> Iterator[_Row]:
        columns = AuditEntry.__table__.columns
        query = select(*columns).order_by(AuditEntry.id).limit(PAGE_ROWS)
        page = self.session.execute(query).mappings().all()
        while page:
            yield from map(dict, page)
            after = query.where(AuditEntry.id > page[-1]["id"])
            page = self.session.execute(after).mappings().all()

    def _removed(self, number: int, first: int, last: int) -> None:
        count = last - first + 1
        detail = "the entry is gone" if count == 1 else f"{count:,} entries are gone"
        self.damages += 1
        self.tell(Damage("removed", number, detail, id_of(number, first), id_of(number, last)))

    def _found(self, kind: DamageKind, number: int, detail: str, row: _Row | None = None) -> None:
        self.damages += 1
        if row is None:
            self.tell(Damage(kind, number, detail))
        else:
            self.tell(Damage(kind, number, detail, row["id"], row["id"], row["at"]))
