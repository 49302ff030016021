"""The audit trail: who changed what, when, through which door, and proof that it is whole.

Entries are captured where publications are (`trivet.data.session`), and are written in the
transaction of the change they tell of. `trivet.audit.capture` says what becomes an entry,
`trivet.audit.trail` how entries are chained, `trivet.audit.verification` what a check of
the chains can find. docs/audit.md tells what the trail does not see.
"""

from trivet.audit.entry import Author, Entry
from trivet.audit.tables import AuditEntry
from trivet.audit.trail import AuditTrail
from trivet.audit.verification import Anchor, Damage, Verdict, verify

__all__ = [
    "Anchor",
    "AuditEntry",
    "AuditTrail",
    "Author",
    "Damage",
    "Entry",
    "Verdict",
    "verify",
]
