"""Who sees which members, and which changes of them are allowed."""

from trivet import Identity
from trivet.rules import visible

from members.models import Member, Visit


@visible(Member)
def every_member(_actor: Identity) -> bool:
    """Whoever may read members sees them all. To show fewer, return a condition."""
    return True


@visible(Visit)
def every_visit(_actor: Identity) -> bool:
    """Whoever may read visits sees them all. To show fewer, return a condition."""
    return True
