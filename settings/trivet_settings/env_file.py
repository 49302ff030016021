"""The file of variables of a project, sought from a folder inside of it."""

from pathlib import Path

from dotenv import dotenv_values

from trivet_settings.description import PREFIX


def find_above(env_file: str | Path) -> Path | None:
    """The nearest file of this name above the working directory that holds settings, if there is
    none in it: somebody is in a folder inside of a project. A path that says its folder is sought
    nowhere else."""
    name = Path(env_file)
    if name.name != str(name) or name.exists():
        return None
    return next((file for each in Path.cwd().parents if _has_settings(file := each / name)), None)


def _has_settings(file: Path) -> bool:
    try:
        return file.is_file() and any(
            variable.upper().startswith(PREFIX) for variable in dotenv_values(file)
        )
    except (OSError, UnicodeDecodeError):  # somebody else's
        return False
