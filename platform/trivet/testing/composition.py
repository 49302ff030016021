"""The plugin's interface to the roof, the only place that knows every room.

The platform may not import the roof. The roof registers its composition as an entry point of the
group `GROUP`, and any other composition of the rooms may do the same.
"""

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Protocol

from trivet.asgi.root import Root
from trivet.errors import ConfigurationError
from trivet_settings import Settings

GROUP = "trivet.composition"


class Composition(Protocol):
    """A way to put the whole application together, and to make users, which only Django can."""

    def create_app(self, settings: Settings) -> Root:
        """The whole application."""
        ...

    def command(self, *arguments: str) -> list[str]:
        """The command line, for a process of its own; three words, then `arguments`."""
        ...

    def create_user(
        self,
        username: str,
        password: str,
        *,
        permissions: Sequence[str],
        groups: Sequence[str],
        is_staff: bool,
        is_superuser: bool,
    ) -> int:
        """Make an active user, and the groups that are not there yet; returns the user's key.

        Raises LookupError for a permission that no model has.
        """
        ...

    def disconnect(self) -> None:
        """Close the connections of this thread, so that the database can be thrown away."""
        ...


def find_composition() -> Composition:
    """The composition that is installed. Raises ConfigurationError if there is none."""
    found = list(entry_points(group=GROUP))
    if not found:
        raise ConfigurationError(
            "no-composition",
            f"No installed package has an entry point of the group {GROUP!r}: install trivet "
            "itself (pip install trivet), not its source folders alone.",
        )
    composition: Composition = found[0].load()()
    return composition
