"""Compares the permissions that policies name with those that exist.

A permission that no model has admits superusers and refuses everybody else. To its author, who is
a superuser, the application seems to work.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from trivet.asgi.mount import MountedApp
from trivet.features import Feature
from trivet.suggestion import did_you_mean
from trivet_deploy.checks.sources import calls_in

_PERMISSION = re.compile(r"[a-z]\w*\.\w+")
_ASKING = frozenset({"allows", "has_perm", "require_permission"})
"""The functions that ask for a permission by its name, beside the policies, which are listed."""

CURE = (
    "Each mapped class has add, change, delete and view; it declares others by "
    '__table_args__ = {"info": {"permissions": [("codename", "Can do it")]}}'
)


def known_permissions() -> frozenset[str]:
    """The permissions of every model that Django knows, mirrors included (``app.codename``).

    What a migration makes of them is the same; so no database is asked.
    """
    from django.apps import apps
    from django.contrib.auth import get_permission_codename

    return frozenset(
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(get_permission_codename(verb, model._meta) for verb in _verbs(model)),
            *(codename for codename, _ in model._meta.permissions),
        )
    )


def _verbs(model: object) -> Sequence[str]:
    verbs: Sequence[str] = model._meta.default_permissions  # type: ignore[attr-defined]  # a model
    return verbs


def find_unknown(mounts: Iterable[MountedApp], known: Collection[str]) -> Iterator[str]:
    """A sentence for each policy of `mounts` that asks for what is not `known`."""
    for route in (route for mounted in mounts for route in mounted.list_routes()):
        asked = frozenset[str]().union(*(policy.permissions for policy in route.policies))
        for permission in sorted(asked.difference(known)):
            yield _sentence(f"{route.methods} {route.path}", permission, known)


def find_unknown_in_code(features: Iterable[Feature], known: Collection[str]) -> Iterator[str]:
    """A sentence for each place in the code of `features` that asks for what is not `known`."""
    for feature in features:
        for call in calls_in(feature, _ASKING):
            if _PERMISSION.fullmatch(call.text) and call.text not in known:
                yield _sentence(call.where, call.text, known)


def _sentence(where: str, permission: str, known: Collection[str]) -> str:
    hint = did_you_mean(permission, sorted(known))
    return f"{where} asks for the permission {permission}, which no model has{hint}"
