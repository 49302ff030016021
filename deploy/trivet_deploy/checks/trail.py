"""Whether the secret that authenticates the audit trail is the one that wrote it.

With another secret everything seems to work: sessions end once, and the next entries are written
behind heads that no longer hold, which a check of the trail reports for good.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.audit import AuditTrail
from trivet.audit.tables import AuditChain
from trivet_deploy.unit import run_in_unit
from trivet_settings import Settings


def find_other_secret(settings: Settings) -> str:
    """A sentence with the cure if no head of the trail holds under the present secrets."""
    trail = AuditTrail(settings.audit_secrets)

    def holds(db: Session) -> list[bool]:
        return [
            trail.is_sealed(head.id, head.length, head.hash, head.seal)
            for head in db.execute(select(*AuditChain.__table__.columns))
        ]

    heads = run_in_unit(settings, holds, read_only=True)
    if not heads or any(heads):
        return ""
    variable = "TRIVET_AUDIT_KEYS" if settings.audit_keys else "TRIVET_SECRET_KEY"
    return (
        f"{variable} is not what the audit trail was written with: set the former one again, or "
        "name both in TRIVET_AUDIT_KEYS, the new one first"
    )
