"""The captures of a session's transaction that are not written yet.

There is one recorder for each session. Publications and audit entries lie in one list, in the
order in which they came, so that a savepoint that is rolled back cuts both at one mark.
"""

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import InstanceState

from trivet.capture.old_values import OldRow


class Recorder:
    """The notes of one transaction, and the old rows of its flush."""

    __slots__ = ("_is_kept", "_judged", "_marks", "_notes", "_old_rows", "_running_feed")

    def __init__(self) -> None:
        self._notes: list[Any] = []
        # Kept until all is over, because a rolled-back savepoint is announced after its end.
        self._marks: dict[Hashable, int] = {}
        self._old_rows: dict[InstanceState[Any], OldRow] = {}
        self._judged: dict[InstanceState[Any], Any] = {}
        self._running_feed: str | None = None
        self._is_kept = False

    def note(self, *notes: Any) -> None:
        """Add `notes` (publications, audit entries) to what is written at the commit."""
        self._notes.extend(notes)

    def note_each(self, notes: Iterable[Any]) -> None:
        """The same, one by one as they are made."""
        self._notes.extend(notes)

    def drain(self) -> list[Any]:
        """Every note, oldest first; none is left."""
        notes, self._notes = self._notes, []
        return notes

    def mark(self, savepoint: Hashable) -> None:
        """Remember what was noted before `savepoint`."""
        self._marks[savepoint] = len(self._notes)

    def cut(self, savepoint: Hashable, *, unmarked: int | None = None) -> None:
        """Forget what was noted since `savepoint`, which was rolled back. Without a mark for it,
        forget what came after the first `unmarked` notes; by default nothing."""
        mark = self._marks.get(savepoint, unmarked)
        if mark is not None:
            del self._notes[mark:]

    def end_transaction(self) -> None:
        """Forget everything: what was not written will not be."""
        if not self._is_kept:
            self._notes.clear()
            self._marks.clear()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While this is open, the end of the session's transaction is not the end of the
        database's, which somebody else owns: the notes stay."""
        self._is_kept = True
        try:
            yield
        finally:
            self._is_kept = False

    def begin_flush(self) -> None:
        """Forget the old rows of the flush before, and what was judged in it."""
        self._old_rows.clear()
        self._judged.clear()

    def judge_once(self, state: InstanceState[Any], change: Any) -> bool:
        """Whether `change` of the row of `state` was not judged in this flush; now it is."""
        if self._judged.get(state) == change:
            return False
        self._judged[state] = change
        return True

    def remember(self, state: InstanceState[Any], row: OldRow) -> None:
        """Keep what the row of `state` was before this flush changes it."""
        self._old_rows[state] = row

    def old_row(self, state: InstanceState[Any]) -> OldRow:
        """The row of `state` as it was before this flush; empty if it is new."""
        return self._old_rows.get(state, _NO_ROW)

    @property
    def running_feed(self) -> str | None:
        """The feed that runs at this moment, by a name for messages."""
        return self._running_feed

    @contextmanager
    def feed_running(self, name: str) -> Iterator[None]:
        """While this is open, the feed `name` runs, and the database may not be asked."""
        self._running_feed = name
        try:
            yield
        finally:
            self._running_feed = None


_NO_ROW = OldRow()
