"""The file of variables of a project, sought from a folder beside or inside of it."""

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


def find_example(env_file: str | Path) -> Path | None:
    """What somebody left here for others to begin this file with, as long as there is no file."""
    example = Path(f"{env_file}.example")
    return example if not Path(env_file).exists() and _has_settings(example) else None


def say_where(env_file: str | Path) -> str:
    """What to do where this file is not in the working directory: it is in a folder nearby, or was
    not made yet in a fresh checkout. Empty if it is here, or nowhere near."""
    name = Path(env_file)
    if name.name != str(name) or name.exists():
        return ""
    if (above := find_above(name)) is not None:
        return f"There is no {name} here, and one in {above.parent}: go there"
    if (example := find_example(name)) is not None:
        return (
            f"There is no {name} here, and an {example}, as in a fresh checkout: "
            f"cp {example} {name}, then: trivet secret"
        )
    below = [file.parent for file in sorted(Path().glob(f"*/{name}")) if _has_settings(file)]
    return f"There is no {name} here, and one in {below[0]}: go there" if below else ""


def _has_settings(file: Path) -> bool:
    try:
        return file.is_file() and any(
            variable.upper().startswith(PREFIX) for variable in dotenv_values(file)
        )
    except (OSError, UnicodeDecodeError):  # somebody else's
        return False
