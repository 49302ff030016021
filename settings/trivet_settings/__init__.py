"""The ground of the house: one frozen object with every setting of a process.

Rules of this package:

* it imports nothing of ours, so that everything may import it;
* nothing is read at import: the environment and `.env` are read by `load_settings()`, once;
* faults are reported all at once, each with its variable and its cure;
* a secret never appears in a fault, a `repr` or a description.
"""

from trivet_settings.database_url import DatabaseUrl
from trivet_settings.description import SettingDescription, describe
from trivet_settings.faults import SettingFault, SettingsError
from trivet_settings.loading import load_settings
from trivet_settings.model import Room, Settings
from trivet_settings.public_url import PublicUrl

__all__ = [
    "DatabaseUrl",
    "PublicUrl",
    "Room",
    "SettingDescription",
    "SettingFault",
    "Settings",
    "SettingsError",
    "describe",
    "load_settings",
]
