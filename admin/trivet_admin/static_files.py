"""The addresses of the admin's static files, with the hash of their content in their names.

Django asks a storage for them once ``django.contrib.staticfiles`` is installed. Nothing is
collected: the root serves the files out of their packages (`trivet.asgi.static_files`).
"""

from urllib.parse import urljoin

from django.conf import settings
from django.core.files.storage import Storage

from trivet.asgi.static_files import find_in_packages, hashed_name

PACKAGES = (("django.contrib.admin", "static"), ("trivet_admin", "static"))
"""The packages and their folders, which the root serves at ``/static``."""


class HashedStaticStorage(Storage):
    """Names the files of `PACKAGES`, of features and of joined applications with their hashes, and
    leaves every other name as it is.

    A page has dozens of them, so a name is looked up once. Under debug a file may change at any
    time, and is looked at each time.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def url(self, name: str | None) -> str:
        if name is None:
            raise ValueError("a static file has a name")
        if settings.DEBUG:
            return self._address_of(name)
        if name not in self._known:
            self._known[name] = self._address_of(name)
        return self._known[name]

    def _address_of(self, name: str) -> str:
        from trivet_admin.joined.apps import static_folders  # applications are loaded by now

        prefixes = settings.TRIVET_STATIC_PREFIXES
        file = find_in_packages(PACKAGES, name, static_folders(), prefixes)
        hashed = name if file is None else hashed_name(name, file)
        return urljoin(str(settings.STATIC_URL), hashed)
