"""Who may ask about a channel: its subscribers, and whoever could subscribe."""

from trivet.identity.policy import Policy
from trivet_realtime.channels import Access
from trivet_realtime.commands.session import Session
from trivet_realtime.declared import Unit


def find_subscribed(session: Session, channel: str) -> Access | None:
    """The channel, if the client is subscribed to it, by whatever right."""
    subscription = session.client.subscriptions.get(channel)
    if subscription is None or not subscription.is_live:
        return None
    return None if subscription.grant is None else subscription.grant.access


async def require_access(session: Session, unit: Unit, channel: str, policy_of: str) -> Access:
    """The channel that the client may ask about; `policy_of` names the option of its namespace
    that says who of its subscribers may.

    Raises CommandError, or what a rule or a policy raises.
    """
    access = find_subscribed(session, channel)
    if access is None:
        access = session.hub.rules.find_access(channel)
        await access.require_in(unit)
    policy: Policy = getattr(access.namespace, policy_of)
    policy.check(session.client.identity)
    return access
