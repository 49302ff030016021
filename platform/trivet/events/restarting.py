"""A new life of every channel, once a database stands at an earlier moment than its clients."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from trivet.events.outbox import Channel, new_epoch


def restart_channels(session: Session) -> int:
    """Give each channel another epoch, and return how many they are.

    A copy that is put back has offsets that will be given once more, to other publications. Whoever
    holds a position from before is told by the epoch that it leads nowhere.
    """
    return session.connection().execute(update(Channel).values(epoch=new_epoch())).rowcount
