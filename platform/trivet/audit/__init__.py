"""The audit trail: who changed what, when, by which way, and proof that it is whole.

Entries are captured where publications are (`trivet.data.flush`), and are written in the
transaction of the change they tell of. `trivet.audit.capture` says what becomes an entry,
`trivet.audit.trail` how entries are chained, `trivet.audit.verification` what a check of
the chains can find. docs/audit.md tells what the trail does not see.
"""

from trivet.audit.entry import Entry
from trivet.audit.tables import AuditEntry
from trivet.audit.trail import AuditTrail
from trivet.audit.verification import Anchor, Damage, Verdict, verify

__all__ = [
    "Anchor",
    "AuditEntry",
    "AuditTrail",
    "Damage",
    "Entry",
    "Verdict",
    "verify",
]
