"""Users and groups in the admin: Django's own pages, for those who give no more than they have.

What may be given is judged at the write (`trivet_admin.users.grants`). The pages say the same
beforehand: a superuser's page can only be looked at by others, fields that are not theirs to
change are fixed, and permissions and groups that they do not hold cannot be chosen.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from trivet.errors import Forbidden
from trivet_admin.site.modeladmin import ModelAdmin
from trivet_admin.users.choices import (
    granted_form,
    granter_of_request,
    held_beyond,
    is_stored_superuser,
    possible_owners,
)
from trivet_admin.users.grants import groups_beyond, sentence_about_stronger
from trivet_admin.users.key_admin import ApiKeyAdmin

__all__ = ["ApiKeyAdmin", "GroupAdmin", "UserAdmin"]

_SUPERUSER = "Only a superuser sets the password of a superuser."


@admin.register(get_user_model())
class UserAdmin(ModelAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "email", "usable_password", "password1", "password2"),
            },
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = obj is not None and self._is_above(request, obj)
        return not is_above and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or not (self._is_above(request, obj) or held_beyond(request, obj))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        options.setdefault("form", self.form if obj is not None else self.add_form)
        form = super().get_form(request, obj, change, **options)
        return granted_form(form, granter_of_request(request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        beyond = held_beyond(request, obj)
        if not beyond:
            return fieldsets
        (title, options), *rest = fieldsets
        sentence = f"{sentence_about_stronger(beyond)} Name, address and password are fixed."
        return [(title, {**options, "description": sentence}), *rest]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        granter = granter_of_request(request)
        if granter.is_superuser:
            return fixed
        fixed = (*fixed, "is_superuser", *(() if granter.is_staff else ("is_staff",)))
        if not held_beyond(request, obj):
            return fixed
        given = (name for name in ("is_active", "is_staff") if not getattr(obj, name))
        return tuple(dict.fromkeys((*fixed, "username", "email", *given)))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        asked = (request.GET.get("model_name"), request.GET.get("field_name"))
        if asked == ("apikey", "owner"):  # Django's autocompletion asks for the form of keys
            found = found.filter(pk__in=possible_owners(granter_of_request(request)))
        return found, may_repeat

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002  # Django's name
        user = self.get_object(request, unquote(id))
        if user is not None and self.has_view_permission(request, user):
            if self._is_above(request, user):
                raise Forbidden("grant-refused", _SUPERUSER)
            if beyond := held_beyond(request, user):
                raise Forbidden("grant-refused", sentence_about_stronger(beyond))
        return super().user_change_password(request, id, form_url)

    def _is_above(self, request: HttpRequest, user: Any) -> bool:
        return not granter_of_request(request).is_superuser and is_stored_superuser(request, user)


admin.site.unregister(Group)  # Django's module, imported above, has registered its own


@admin.register(Group)
class GroupAdmin(ModelAdmin, DjangoGroupAdmin):  # type: ignore[misc]  # the types of Django's hooks differ in their options alone
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if not super().has_delete_permission(request, obj):
            return False
        granter = granter_of_request(request)
        return obj is None or granter.is_superuser or not groups_beyond(granter, [obj.pk])

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **options)
        return granted_form(form, granter_of_request(request))
