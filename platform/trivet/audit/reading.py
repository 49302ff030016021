"""Reading the trail."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.audit.tables import AuditEntry


def list_entries(
    db: Session,
    *,
    table: str | None = None,
    key: str | None = None,
    actor: str | None = None,
    request_id: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Up to `limit` entries that meet every condition given, newest first; `since` is aware."""
    wanted = {
        AuditEntry.table_name: table,
        AuditEntry.row_key: key,
        AuditEntry.actor: actor,
        AuditEntry.request_id: request_id,
    }
    query = select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(limit)
    query = query.where(*(column == value for column, value in wanted.items() if value is not None))
    if since is not None:
        query = query.where(AuditEntry.at >= since)
    return list(db.scalars(query))
