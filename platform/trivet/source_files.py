"""Files of Python modules, as messages name them."""

import sys
from pathlib import Path


def shown(path: Path) -> str:
    """A path for messages: relative to the working directory, if it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def file_of(module: str) -> str:
    """The file of a loaded module for messages, or the module's name."""
    origin = getattr(sys.modules.get(module), "__file__", None)
    return shown(Path(origin)) if origin else module
