"""Files that are written together: all of them, or none."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PRIVATE = frozenset({".env"})
"""Files for their owner's eyes."""


@contextmanager
def written(files: Mapping[Path, str]) -> Iterator[None]:
    """Write `files`, with the folders that they need. If one cannot be written, or the block fails,
    everything is as it was before."""
    before: dict[Path, bytes | None] = {}
    folders: list[Path] = []
    try:
        for path, text in files.items():
            _make_folders(path.parent, folders)
            before[path] = path.read_bytes() if path.exists() else None
            _write(path, text)
        yield
    except BaseException:
        _restore(before, folders)
        raise


def _make_folders(folder: Path, made: list[Path]) -> None:
    if folder.exists():
        return
    _make_folders(folder.parent, made)
    folder.mkdir()
    made.append(folder)


def _write(path: Path, text: str) -> None:
    if path.name in _PRIVATE:
        path.touch(mode=0o600)  # private before there is anything in it
        path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _restore(before: Mapping[Path, bytes | None], folders: list[Path]) -> None:
    for path, content in before.items():
        if content is not None:
            path.write_bytes(content)
        else:
            path.unlink(missing_ok=True)
    for folder in reversed(folders):
        _empty(folder)


def _empty(folder: Path) -> None:
    """Remove a folder that was made, with what Python has made of the files in it."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
