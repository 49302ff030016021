"""The tables of the library, and who asks."""

from sqlalchemy import create_engine

from tests.api.resource.bookshop.models import Base
from trivet import Identity

WHO = {
    "clerk": Identity(1, "clerk", "session", is_staff=True),
    "guest": Identity(2, "guest", "session"),
}


def make_tables(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    engine.dispose()
