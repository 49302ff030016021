"""The audit trail: the actor, the fields, the time and the way of every change, and a proof that
the trail is complete.

Entries are captured together with publications (`trivet.data.flush`), and are written in the
transaction of their change. `trivet.audit.capture` makes the entries, `trivet.audit.trail` chains
them, `trivet.audit.verification` checks the chains. docs/audit.md lists what the trail does not
see.
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
