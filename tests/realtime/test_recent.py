"""What is kept in memory for those who come back is bounded by all that it takes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trivet.events.outbox import StoredPublication
from trivet_realtime.recent import OVERHEAD_BYTES, Recent, RecentMemory


def numbered(count: int, **carried: Any) -> list[StoredPublication]:
    now = datetime.now(UTC)
    values = {"data": b"1", **carried}
    return [StoredPublication("w:a", n, created_at=now, **values) for n in range(1, count + 1)]


@pytest.mark.parametrize("field", ["data", "tags", "publisher"])
def test_a_channel_keeps_no_more_bytes_than_it_may_whatever_they_are(field: str) -> None:
    memory = RecentMemory(channel_publications=100, channel_bytes=10_000, limit_bytes=1_000_000)
    recent = Recent(memory)
    recent.add(numbered(20, **{field: b"x" * 1_000}))
    kept = recent.after(15)
    assert kept is not None
    assert [each.offset for each in kept] == [16, 17, 18, 19, 20]
    assert recent.after(5) is None
    assert memory.bytes <= 10_000 + 20 * OVERHEAD_BYTES
    recent.forget()
    assert memory.bytes == 0
    recent.fill(numbered(20, **{field: b"x" * 1_000}), 20)
    assert recent.after(5) is None
    assert len(recent.after(15, limit_bytes=2_500) or ()) == 2


@pytest.mark.parametrize("field", ["data", "tags", "publisher"])
def test_all_channels_together_have_a_bound(field: str) -> None:
    memory = RecentMemory(channel_publications=100, channel_bytes=10_000, limit_bytes=25_000)
    channels = [Recent(memory) for _ in range(6)]
    for recent in channels:
        recent.add(numbered(5, **{field: b"x" * 1_000}))
    assert memory.bytes <= 25_000
    assert [bool(recent.last) for recent in channels] == [False, False, True, True, True, True]
