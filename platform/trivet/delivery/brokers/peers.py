"""The other processes that listen, so that a process without any sends no news of channels.

A process announces itself whenever it has connected, at intervals after that, and when it stops.
Whoever hears of a process for the first time announces itself to it in return. So of two processes
that begin at the same moment at least one hears the other, because each listens before it
announces itself, and then both know of each other.

What is withheld while nobody is known can be found in the database, or promises nothing if it is
lost. It is never lost by a mistake about who is there: a process that has ever withheld something
tells each newcomer to look at the database. It does not matter whether that one has just begun, or
had been cut off, or stood still for so long that it was given up. Revocations, commands of the
server API and all that is for one process are never withheld: they are rare, and late they would
do harm.

Who announces nothing any more is given up, as after ``kill -9``. Its silence is counted in the
announcements of this process and not in seconds: a process that stands still itself loses nobody.
"""

from collections.abc import Sequence
from threading import Lock

from trivet.broker import ChannelMessage, Message, MessagesMissed
from trivet.events.wake_up import WakeUp

MOST_SILENT = 4
"""A process is given up after so many announcements of this one without any of its own. The
intervals of two processes differ by a factor of two at most."""


class Announcement(Message, frozen=True, tag="announcement"):
    """The process that sends it listens to the messages of others, or is about to stop.

    Attributes:
        is_leaving: It stops.
    """

    is_leaving: bool = False


class Peers:
    """The other processes that one process knows of. Used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._silent: dict[str, int] = {}
        self._is_settled = False
        self._has_withheld = False

    def __len__(self) -> int:
        return len(self._silent)

    @property
    def is_alone(self) -> bool:
        """Whether news of channels are withheld."""
        return self._is_settled and not self._silent

    def withhold(self, message: Message) -> bool:
        """Whether `message`, which is for all processes, need not be sent."""
        if not isinstance(message, WakeUp | ChannelMessage):
            return False
        # Under the lock, so that a newcomer is noticed before this, or is told of it after.
        with self._lock:
            is_alone = self.is_alone
            self._has_withheld |= is_alone
            return is_alone

    def hear(self, node: str, announcement: Announcement) -> Sequence[Message]:
        """Note an announcement of `node`, and return what it is to be told."""
        with self._lock:
            if announcement.is_leaving:
                self._silent.pop(node, None)
                return ()
            is_new = node not in self._silent
            self._silent[node] = 0
            if not is_new:
                return ()
            return (Announcement(), MessagesMissed()) if self._has_withheld else (Announcement(),)

    def settle(self) -> None:
        """Those who are there have had the time to answer."""
        self._is_settled = True

    def unsettle(self) -> None:
        """It is not known who comes: nothing is withheld until `settle`."""
        with self._lock:
            self._is_settled = False

    def note_silence(self) -> None:
        """Give up those who have been silent for long; called before each announcement."""
        with self._lock:
            counted = {node: times + 1 for node, times in self._silent.items()}
            self._silent = {node: times for node, times in counted.items() if times <= MOST_SILENT}
