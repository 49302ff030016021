"""Static files, each under its name and under a name with a hash of its content.

`admin/css/base.css` is also `admin/css/base.0123456789ab.css`. What has the hash in its name never
changes, so browsers keep it for a year without asking; pages of ours name files so. Under its plain
name a file is asked about every time, and mostly answered by 304: a style sheet names its pictures
so, and its own text is not rewritten for it. A hash of another version (a page that was open while
the files were replaced) leads to the file that there is now, which is then not kept.
"""

import hashlib
import importlib.util
import mimetypes
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import anyio
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from trivet.asgi.headers import find_header
from trivet.asgi.methods import options_response

_DIGITS = 12
"""Of the hash in a name: 48 bits, and nobody gains by a collision."""
_HASHED = re.compile(rf"(?P<stem>.+)\.(?P<hash>[0-9a-f]{{{_DIGITS}}})(?P<suffix>\.[^./]+)")
_YEAR = 31_536_000
_KEPT = f"max-age={_YEAR}, immutable"
_ASKED = "no-cache"


def hashed_name(name: str, file: Path) -> str:
    """`name`, a path ending in a file's name, with a hash of what is in `file`. Reads the file."""
    head, dot, suffix = name.rpartition(".")
    status = file.stat()
    digest = _digest(str(file), status.st_mtime_ns, status.st_size)
    return f"{head}.{digest}{dot}{suffix}" if head else name


def find_in_packages(
    packages: Sequence[tuple[str, str]],
    name: str,
    folders: Sequence[Path] = (),
    prefixes: Mapping[str, Path] = MappingProxyType({}),
) -> Path | None:
    """The file that `name` (``admin/css/base.css``) means in the folder of its first part in
    `prefixes`, or in `folders`, or in those of `packages`."""
    prefix, _, rest = name.partition("/")
    if prefix in prefixes:
        file = prefixes[prefix] / rest
        return file if file.is_file() else None
    for folder in (*folders, *map(_folder_of, packages)):
        file = folder / name
        if file.is_file():
            return file
    return None


@lru_cache(maxsize=64)
def _folder_of(package: tuple[str, str]) -> Path:
    spec = importlib.util.find_spec(package[0])
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / package[1]


@lru_cache(maxsize=4096)
def _digest(file: str, _modified: int, _size: int) -> str:
    # The time and the size are there for the cache: a file that changes is read again.
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:_DIGITS]


class HashedStaticFiles(StaticFiles):
    """Starlette's static files, which also have hashed names and say what may be kept.

    `is_public` tells whether everybody may see the files; others are kept by browsers only.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        packages: Sequence[tuple[str, str]] = (),
        folders: Sequence[Path] = (),
        is_public: bool = True,
    ) -> None:
        super().__init__(directory=directory, packages=list(packages), check_dir=False)
        self.all_directories = [*folders, *self.all_directories]
        self._scope = "public" if is_public else "private"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            await options_response(("GET", "HEAD", "OPTIONS"))(scope, receive, send)
            return
        asked = find_header(scope, b"range")
        if asked is not None and not asked.lower().startswith("bytes="):
            # RFC 9110, 14.2: a unit that is not known is ignored; Starlette answers 400.
            headers = [each for each in scope["headers"] if each[0] != b"range"]
            scope = {**scope, "headers": headers}
        await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if not mimetypes.inited:
            # The first look at a file's type reads the machine's tables.
            await anyio.to_thread.run_sync(mimetypes.init)
        found = _HASHED.fullmatch(path)
        if found is None or (await self._find(path))[1] is not None:
            return self._say(await super().get_response(path, scope), is_kept=False)
        plain = f"{found['stem']}{found['suffix']}"
        file, status = await self._find(plain)
        response = await super().get_response(plain, scope)
        if status is None:
            return response
        name = await anyio.to_thread.run_sync(hashed_name, plain, Path(file))
        return self._say(response, is_kept=name == path)

    async def _find(self, path: str) -> tuple[str, os.stat_result | None]:
        try:
            return await anyio.to_thread.run_sync(self.lookup_path, path)
        except (OSError, ValueError):  # a name that no file can have
            return "", None

    def _say(self, response: Response, *, is_kept: bool) -> Response:
        if response.status_code < 400:
            response.headers["cache-control"] = (
                f"{self._scope}, {_KEPT}" if is_kept else f"{self._scope}, {_ASKED}"
            )
        return response
