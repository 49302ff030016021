"""The API of the bookshop, over ASGI, for whoever a header says."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from tests.platform.bare import ORIGIN, NoAccounts
from tests.services.databases import SECRET_KEY
from trivet import Identity
from trivet.asgi.root import Root, build_root
from trivet.features import load_features
from trivet.platform import open_platform
from trivet_api.mount import mount as mount_api
from trivet_settings import load_settings

BOOKSHOP = "tests.api.resource.bookshop"
NOVELS = "/api/bookshop/novels"
LABELS = "/api/bookshop/labels"
PLACES = "/api/bookshop/places"


class Badges:
    """Believes the header ``x-badge``; `find` knows who is named there."""

    is_ambient = False

    def __init__(self, find: Callable[[str], Identity | None]) -> None:
        self._find = find

    def find_credential(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-badge")

    async def authenticate(self, credential: str, _session: AsyncSession) -> Identity | None:
        return self._find(credential)


def open_bookshop(
    url: str, find: Callable[[str], Identity | None], *, feature: str = BOOKSHOP
) -> Root:
    """The API of one feature alone. It is put together on no event loop, as a server does it."""
    settings = load_settings(
        env_file=None,
        secret_key=SECRET_KEY,
        public_url=ORIGIN,
        database_url=url,
        features=(feature,),
    )
    platform = open_platform(settings, load_features(settings.features), accounts=NoAccounts())
    return build_root(platform, [replace(mount_api(platform), authenticators=[Badges(find)])])
