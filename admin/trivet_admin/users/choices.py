"""The forms of users and groups show what may be chosen, and keep what may not be taken.

`trivet_admin.users.grants` judges every write; these forms say the same before anybody tries.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from django.http import HttpRequest

from trivet.identity import Identity, system
from trivet.identity.grants import granter_of
from trivet.identity.key_grants import MANAGE_USERS
from trivet_admin.unit import actor_of
from trivet_admin.users.grants import permissions_beyond, stronger

GRANTED = ("groups", "user_permissions", "permissions")
"""Relations by which something is given."""

_KEPT = "Not yours to give or take, and kept as it is: {}."


def granter_of_request(request: HttpRequest) -> Identity:
    """The user by whose permissions the writes of `request` are judged."""
    has_platform = getattr(request, "scope", None) is not None
    return granter_of(actor_of(request) if has_platform else system("django"))


def held_beyond(request: HttpRequest, user: Any) -> Sequence[str]:
    """The permissions of `user` that the user of `request` lacks; looked up once a request."""
    granter = granter_of_request(request)
    if granter.is_superuser or user is None:
        return ()
    kept: Any = request
    found: dict[Any, Sequence[str]] = kept.__dict__.setdefault("trivet_held_beyond", {})
    if user.pk not in found:
        found[user.pk] = stronger(granter, [user.pk]).get(user.pk, ())
    return found[user.pk]


def is_stored_superuser(request: HttpRequest, user: Any) -> bool:
    """Whether the row of `user` is a superuser's, whatever a form has put into the object."""
    kept: Any = request
    found: frozenset[Any] | None = kept.__dict__.get("trivet_superusers")
    if found is None:
        users: Any = get_user_model()
        every = users._default_manager.filter(is_superuser=True)  # noqa: SLF001  # public by Django's documents
        found = frozenset(every.values_list("pk", flat=True))
        kept.trivet_superusers = found
    return user.pk in found


def grantable(granter: Identity, model: Any) -> QuerySet[Any]:
    """The permissions, or the groups, that `granter` may give and take."""
    every = model._default_manager.all()  # noqa: SLF001  # public by Django's documents
    if granter.is_superuser:
        return every  # type: ignore[no-any-return]  # a manager's query
    beyond = permissions_beyond(granter)
    if issubclass(model, Group):
        return every.exclude(permissions__in=beyond)  # type: ignore[no-any-return]  # as above
    return every.exclude(pk__in=beyond)  # type: ignore[no-any-return]  # as above


def possible_owners(granter: Identity) -> QuerySet[Any]:
    """The users for whom `granter` may make an API key."""
    users: Any = get_user_model()
    every: QuerySet[Any] = users.objects.all()
    if granter.is_superuser:
        return every
    if not granter.allows(MANAGE_USERS):
        return every.filter(pk=granter.user_id)
    beyond = permissions_beyond(granter)
    return (
        every.filter(is_superuser=False)
        .exclude(pk__in=users.objects.filter(user_permissions__in=beyond).values("pk"))
        .exclude(pk__in=users.objects.filter(groups__permissions__in=beyond).values("pk"))
    )


class GrantedChoices:
    """Mixed into the ModelForm of users or groups: `granter` chooses among what is theirs to
    give; what the object has besides is named below the field and stays."""

    granter: Identity
    fields: dict[str, Any]
    initial: dict[str, Any]
    instance: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kept: dict[str, list[Any]] = {}
        for name in GRANTED:
            if name in self.fields and not self.granter.is_superuser:
                self._limit(name, self.fields[name])

    def _limit(self, name: str, field: Any) -> None:
        choices = grantable(self.granter, field.queryset.model)
        if issubclass(field.queryset.model, Permission):
            choices = choices.select_related("content_type")
        field.queryset = choices
        if self.instance.pk is None:
            return
        had = getattr(self.instance, name).all()
        kept = [each for each in had if each not in set(choices)]
        self.kept[name] = kept
        self.initial[name] = [each for each in self.initial.get(name, ()) if each not in kept]
        if kept:
            field.help_text = _KEPT.format(", ".join(sorted(map(str, kept))))

    def clean(self) -> Any:
        cleaned: Any = super().clean()  # type: ignore[misc]  # a ModelForm stands beside us
        given = self.cleaned_data if cleaned is None else cleaned  # type: ignore[attr-defined]  # as above
        for name, kept in self.kept.items():
            if name in given:
                given[name] = [*given[name], *kept]
        return given


def granted_form(form: type[Any], granter: Identity) -> type[Any]:
    """`form`, for what `granter` may give."""
    return type(form.__name__, (GrantedChoices, form), {"granter": granter})
