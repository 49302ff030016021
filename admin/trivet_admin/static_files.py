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
    """Names the files of `PACKAGES` with their hashes, and leaves every other name as it is."""

    def url(self, name: str | None) -> str:
        if name is None:
            raise ValueError("a static file has a name")
        file = find_in_packages(PACKAGES, name)
        hashed = name if file is None else hashed_name(name, file)
        return urljoin(str(settings.STATIC_URL), hashed)
