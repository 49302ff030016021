"""The settings: one frozen object with every setting of a process.

Rules of this package:

* it imports nothing of ours, so that everything may import it;
* nothing is read at import: the environment and `.env` are read by `load_settings()`, once;
* faults are reported all at once, each with its variable and its cure;
* a secret never appears in a fault, a `repr` or a description.
"""

from trivet_settings.faults import SettingFault, SettingsError
from trivet_settings.loading import load_settings
from trivet_settings.model import Settings

__all__ = ["SettingFault", "Settings", "SettingsError", "load_settings"]
