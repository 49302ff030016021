"""Faults of a configuration, with their cures."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One thing that is wrong.

    `variable` is the environment variable to touch, `problem` says what is wrong with it without
    ever quoting its value, and `cure` is something that the reader can do.
    """

    variable: str
    problem: str
    cure: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.problem}. {self.cure}"


class SettingsError(Exception):
    """The configuration has faults; `faults` holds all of them, not only the first.

    It is no child of the platform's errors, because this package stands below the platform.
    """

    def __init__(self, faults: Iterable[SettingFault]) -> None:
        self.faults: tuple[SettingFault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
