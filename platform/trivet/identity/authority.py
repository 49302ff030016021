"""What somebody is allowed to do, as a digest: what was made for one authority is not for another.

It is the same in every process, and tells nothing of what it was made of.
"""

import hashlib

from trivet.identity.identity import Identity


def authority_of(identity: Identity) -> str:
    """A digest of what a caller is allowed to do, and so of what an answer may hold."""
    names = [f"{identity.is_superuser} {identity.is_staff}", *sorted(identity.permissions)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def sight_of(identity: Identity) -> str:
    """A short digest of all that a rule of visibility can read of an actor."""
    read = (identity.user_id, identity.username, identity.email, identity.kind)
    whole = "\n".join([*map(repr, read), authority_of(identity)])
    return hashlib.sha256(whole.encode()).hexdigest()[:8]
