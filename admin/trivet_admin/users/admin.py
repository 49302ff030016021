"""Users and API keys in the admin. Groups are Django's own, registered by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.widgets import FilteredSelectMultiple
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Permission
from django.forms import MultipleChoiceField
from django.http import HttpRequest
from django.utils.html import format_html

from trivet.identity.keys import DEFAULT_DAYS, ApiKey, issue_key, revoke_key
from trivet_admin.generic import ModelForm
from trivet_admin.mirror.registry import mirror
from trivet_admin.site.modeladmin import ModelAdmin
from trivet_admin.site.registration import register
from trivet_admin.unit import unit_session
from trivet_admin.users.revoking import revoke


@admin.register(get_user_model())
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # not generic at run time
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


# The table has no words of its own for Django, and "api key" is how Django would say it.
mirror(ApiKey)._meta.verbose_name = "API key"
mirror(ApiKey)._meta.verbose_name_plural = "API keys"


class ApiKeyForm(ModelForm):
    """The scopes as a choice of permissions; none chosen is none named: no limit."""

    scopes: Any = MultipleChoiceField(
        choices=lambda: [(name, name) for name in _permission_names()],
        required=False,
        widget=FilteredSelectMultiple("permissions", is_stacked=False),
        help_text="What the key is limited to, out of what its owner may do. Choose nothing for "
        "a key that may do all that its owner may.",
    )

    def clean_scopes(self) -> list[str] | None:
        return sorted(self.cleaned_data["scopes"]) or None


def _permission_names() -> list[str]:
    rows = Permission.objects.values_list("content_type__app_label", "codename")
    return sorted(f"{app}.{codename}" for app, codename in rows)


_FIXED = (
    "prefix",
    "owner",
    "allowed",
    "created_at",
    "last_used_at",
    "expires_at",
    "revoked_at",
)
"""What of a key can be looked at and not be changed."""


@register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """A key is shown once, when it is made; afterwards it can only be revoked."""

    list_display = ("prefix", "label", "owner", "allowed", "last_used_at", "expires_at", "state")
    list_filter = ("last_used_at", "expires_at", "revoked_at")
    list_select_related = ("owner",)
    search_fields = ("prefix", "label", "owner__username")
    autocomplete_fields = ("owner",)
    ordering = ("-created_at",)
    actions = ("revoke",)
    form = ApiKeyForm
    fields = ("label", "owner", "expires_at", "scopes")

    def get_fields(self, _request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is None else ("label", *_FIXED)

    def get_readonly_fields(self, _request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else _FIXED

    @admin.display(description="state")
    def state(self, key: Any) -> str:
        state: str = ApiKey.state(key, datetime.now(UTC))
        return state

    @admin.display(description="may do")
    def allowed(self, key: Any) -> str:
        if key.scopes is None:
            return "all that its owner may"
        return ", ".join(key.scopes) or "nothing"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the command line gives a key, too; a key that never expires is asked for."""
        expires_at = datetime.now(UTC) + timedelta(days=DEFAULT_DAYS)
        return {"expires_at": expires_at, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        key, secret = issue_key(
            unit_session(request),
            owner_id=obj.owner_id,
            label=obj.label,
            expires_at=obj.expires_at,
            scopes=obj.scopes,
        )
        obj.trivet_shape.copy_columns(key, obj)
        obj._state.adding = False
        text = format_html("The key, shown this once and never again: <code>{}</code>", secret)
        self.message_user(request, text, messages.WARNING)

    @admin.action(description="Revoke selected API keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        prefixes = list(queryset.values_list("prefix", flat=True))
        for prefix in prefixes:
            revoke_key(unit_session(request), prefix)
            revoke(credential=prefix)
        self.message_user(request, f"Revoked: {', '.join(prefixes)}.", messages.SUCCESS)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        revoke(credential=obj.prefix)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for prefix in queryset.values_list("prefix", flat=True):
            revoke(credential=prefix)
        super().delete_queryset(request, queryset)
