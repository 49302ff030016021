"""What the audit trail holds of a table, for the tests of the admin."""

import json
from typing import Any

from tests.admin.house import House
from trivet.audit import AuditEntry, AuditTrail, Damage, verify
from trivet.audit.reading import list_entries


async def trail(house: House, table: str = "stock_item") -> list[AuditEntry]:
    """The entries of `table`, oldest first, of a trail that is whole."""
    found: list[Damage] = []
    keys = AuditTrail(house.platform.settings.audit_secrets)
    async with house.platform.database.unit(read_only=True) as session:
        await session.run_sync(lambda db: verify(db, keys, report=found.append))
        entries = await session.run_sync(lambda db: list_entries(db, table=table, limit=1000))
    assert found == []
    return entries[::-1]


async def noted(house: House, table: str = "stock_item") -> list[tuple[str, str, Any]]:
    entries = await trail(house, table)
    return [(entry.kind, entry.row_key, json.loads(entry.changes)) for entry in entries]


def user_named(name: str) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(username=name)
