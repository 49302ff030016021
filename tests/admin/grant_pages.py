"""The pages of users, as far as grants stand on them."""

from collections.abc import Mapping
from typing import Any

from tests.admin.granting import Granting, Rows

USERS, GROUPS, KEYS = "/admin/accounts/user/", "/admin/auth/group/", "/admin/trivet/apikey/"


def checkbox(value: Any) -> Any:
    return value if not isinstance(value, bool) else "on" if value else None


class Names:
    """What the names in angle brackets are in the database."""

    def __init__(self, rows: Rows, permissions: Mapping[str, int]) -> None:
        self._ids: dict[str, Any] = {f"permission {n}": key for n, key in permissions.items()}
        for kind, table, column in (
            ("user", "accounts_user", "username"),
            ("group", "auth_group", "name"),
            ("key", "trivet_api_key", "label"),
        ):
            self._ids |= {f"{kind} {row[column]}": key for key, row in rows[table].items()}

    def put_into(self, given: Any) -> Any:
        if isinstance(given, list):
            return [self.put_into(each) for each in given]
        if not isinstance(given, str):
            return given
        for name, key in self._ids.items():
            given = given.replace(f"<{name}>", str(key))
        return given


async def names_of(granting: Granting) -> Names:
    found = await granting.house.rows(
        "SELECT app_label, codename, p.id FROM auth_permission p "
        "JOIN django_content_type c ON c.id = p.content_type_id"
    )
    permissions = {f"{app}.{codename}": key for app, codename, key in found}
    return Names(await granting.rows(), permissions)
