"""The policies of the admin's pages, by the names of Django's URL patterns."""

from collections.abc import Collection
from typing import Any

from django.apps import apps

PREFIX = "/admin"

LOGIN_PATH = "/login/"
"""The login page, below the mount."""


def is_of_admin(path: str) -> bool:
    """Whether `path`, on this site, is an address of the admin's."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


PUBLIC_VIEWS = frozenset({"admin:login", "admin:logout"})
"""Views that anybody may call. Everything else is for staff."""

_BY_PAGE = {
    "changelist": ("view", "change"),
    "add": ("add",),
    "history": ("view", "change"),
    "delete": ("delete",),
    "change": ("view", "change"),
    "disconnect": ("disconnect",),  # of connections alone
}
"""The permissions that Django asks of staff on the pages of a model: any one of these."""

_BY_NAME = {
    # Django names this page after the user model that it would have if it had not ours.
    "admin:auth_user_password_change": ("accounts.change_user",),
    "admin:password_change": (),
}


def is_public(view_name: str, view: Any) -> bool:
    """Whether anybody may call `view`: it is listed so, or decorated by Django's
    ``login_not_required``, as its own login and password reset are."""
    return view_name in PUBLIC_VIEWS or getattr(view, "login_required", True) is False


def permissions_of(view_name: str) -> tuple[str, ...] | None:
    """The permissions any one of which opens a view to staff; None: being staff is enough. An
    empty tuple: there is none, so that nobody may."""
    if view_name in _BY_NAME:
        return _BY_NAME[view_name] or None
    model, _, page = view_name.removeprefix("admin:").rpartition("_")
    app, _, name = model.partition("_")
    if page not in _BY_PAGE or not name:
        return None
    known = _verbs_of(app, name)
    if known is None:  # a page of somebody's own, whose name looks like a model's
        return None
    return tuple(f"{app}.{verb}_{name}" for verb in _BY_PAGE[page] if verb in known)


def words_of(view_name: str, view: Any = None) -> str:
    """The policy of a view, as ``trivet routes`` shows it."""
    if is_public(view_name, view):
        return "public"
    permissions = permissions_of(view_name)
    if permissions is None:
        return "staff"
    return f"staff + {' or '.join(permissions)}" if permissions else "nobody"


def _verbs_of(app: str, name: str) -> Collection[str] | None:
    """The verbs that the permissions of a model begin with; None where there is no such model."""
    try:
        verbs: Collection[str] = apps.get_model(app, name)._meta.default_permissions
    except LookupError:
        return None
    return verbs
