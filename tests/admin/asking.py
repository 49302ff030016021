"""Questions to Django's connection."""

from typing import Any

from trivet_admin.configuration import project
from trivet_settings import Settings

ALIAS = "addressed"


def ask_django(settings: Settings, query: str) -> Any:
    from django.db.utils import ConnectionHandler

    database = project(settings, ())["DATABASES"]["default"]
    connection: Any = ConnectionHandler({"default": {}, ALIAS: database})[ALIAS]
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]
    finally:
        connection.close()
        connection.close_pool()
