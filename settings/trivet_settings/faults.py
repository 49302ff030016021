"""Faults of a configuration, with their cures."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One fault of the configuration.

    Attributes:
        variable: The environment variable that is wrong.
        problem: What is wrong with it. It never quotes the value, which may be a secret.
        cure: What the reader can do.
    """

    variable: str
    problem: str
    cure: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.problem}. {self.cure}"


class SettingsError(Exception):
    """The configuration has faults.

    It is not a `TrivetError`, because this package lies below the platform.

    Attributes:
        faults: All faults, not only the first.
    """

    def __init__(self, faults: Iterable[SettingFault]) -> None:
        self.faults: tuple[SettingFault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
