"""The captures of a session's transaction that are not written yet.

There is one recorder for each session. Publications and audit entries lie in one list, in the
order in which they came, so that a savepoint that is rolled back cuts both at one mark.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import is_
from typing import Any

from sqlalchemy.orm import InstanceState

from trivet.capture.old_values import OldRow


class Recorder:
    """The notes of one transaction, and the old rows of its flush.

    Attributes:
        running_feed: The name, for messages, of the feed that runs at this moment.
    """

    __slots__ = (
        "_expected",
        "_is_kept",
        "_judged",
        "_marks",
        "_notes",
        "_old_rows",
        "_pending",
        "running_feed",
    )

    def __init__(self) -> None:
        self._notes: list[Any] = []
        # Kept until the transaction ends: a rolled-back savepoint is announced after its end.
        self._marks: dict[Hashable, int] = {}
        self._old_rows: dict[InstanceState[Any], OldRow] = {}
        self._judged: dict[InstanceState[Any], Any] = {}
        self._pending: dict[InstanceState[Any], Sequence[Any]] = {}
        self._expected: dict[InstanceState[Any], set[str]] = {}
        self.running_feed: str | None = None
        self._is_kept = False

    def note(self, *notes: Any) -> None:
        """Add `notes` (publications, audit entries) to what is written at the commit."""
        self._notes.extend(notes)

    def note_each(self, notes: Iterable[Any]) -> None:
        """Add notes one by one, as they are made."""
        self._notes.extend(notes)

    def drain(self) -> list[Any]:
        """Remove and return all notes, oldest first."""
        notes, self._notes = self._notes, []
        return notes

    def mark(self, savepoint: Hashable) -> None:
        """Mark the present notes as those before `savepoint`."""
        self._marks[savepoint] = len(self._notes)

    def cut(self, savepoint: Hashable, *, unmarked: int | None = None) -> None:
        """Forget the notes since `savepoint`, which was rolled back. Without a mark for it, keep
        the first `unmarked` notes; by default all of them."""
        mark = self._marks.get(savepoint, unmarked)
        if mark is not None:
            del self._notes[mark:]

    def end_transaction(self) -> None:
        """Forget all notes. They will not be written."""
        if not self._is_kept:
            self._notes.clear()
            self._marks.clear()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the notes beyond the end of the session's transaction inside the block, because the
        transaction of the database belongs to other code and goes on."""
        self._is_kept = True
        try:
            yield
        finally:
            self._is_kept = False

    def begin_flush(self) -> None:
        """Forget what belongs to the last flush: old rows, judged changes, expected values."""
        self._old_rows.clear()
        self._judged.clear()
        self._pending.clear()
        self._expected.clear()

    def is_as_judged(self, state: InstanceState[Any], kind: Any) -> bool:
        """Whether nothing was set in the row of `state` since `note_judged`."""
        known = self._pending.get(state)
        if known is None:
            return False
        now = _pending(state, kind)
        return len(now) == len(known) and all(map(is_, now, known))

    def note_judged(self, state: InstanceState[Any], kind: Any) -> None:
        """Note the values that the row of `state` has, as they are judged."""
        self._pending[state] = _pending(state, kind)

    def judge_once(self, state: InstanceState[Any], change: Any) -> bool:
        """Mark `change` of the row of `state` as judged; returns whether it was not yet."""
        if self._judged.get(state) == change:
            return False
        self._judged[state] = change
        return True

    def expect(self, state: InstanceState[Any], key: str) -> None:
        """Note that the database works out the attribute `key` of the row of `state`."""
        self._expected.setdefault(state, set()).add(key)

    def expected(self, state: InstanceState[Any]) -> frozenset[str]:
        """The attributes of the row of `state` that this flush leaves to the database."""
        return frozenset(self._expected.get(state, ()))

    def remember(self, state: InstanceState[Any], row: OldRow) -> None:
        """Keep the row of `state` as it is before this flush changes it."""
        self._old_rows[state] = row

    def old_row(self, state: InstanceState[Any]) -> OldRow:
        """The row of `state` as it was before this flush; empty if it is new."""
        return self._old_rows.get(state, _NO_ROW)


_NO_ROW = OldRow()


def _pending(state: InstanceState[Any], kind: Any) -> Sequence[Any]:
    """What a flush is going to write of the row of `state`: the very objects, because values that
    are equal may be compared at a great price, or not at all (expressions of SQL)."""
    is_set = state.committed_state
    return (kind, *is_set, *map(state.dict.get, is_set))
