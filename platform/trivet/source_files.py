"""Files of Python modules, as messages name them."""

import importlib.util
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


def folders_of(package: str) -> list[Path]:
    """The folders in which `package` lies; none for a module, or if there is nothing."""
    spec = importlib.util.find_spec(package)
    locations = spec.submodule_search_locations if spec is not None else None
    return [Path(location) for location in locations or ()]


def folder_of_module(name: str) -> Path:
    """The folder of a package, or the one in which a module lies. There is one."""
    if folders := folders_of(name):
        return folders[0]
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    assert spec.origin is not None, name
    return Path(spec.origin).parent
