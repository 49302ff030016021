"""API keys in the admin: shown once, when they are made; afterwards they can only be revoked.

Who may make which key is judged in the flush (`trivet.identity.key_grants`); the form offers
what may be chosen, and tells a refusal at its field.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.widgets import FilteredSelectMultiple
from django.contrib.auth.models import Permission
from django.forms import MultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from trivet.identity import ANONYMOUS, Identity
from trivet.identity.keys import DEFAULT_DAYS, ApiKey, issue_key, revoke_key
from trivet_admin.generic import ModelForm
from trivet_admin.site.modeladmin import ModelAdmin
from trivet_admin.site.registration import register
from trivet_admin.unit import unit_session
from trivet_admin.users.choices import grantable, granter_of_request, possible_owners


class ApiKeyForm(ModelForm):
    """The scopes as a choice of permissions; none chosen is none named: no limit."""

    granter: Identity = ANONYMOUS  # until the admin of keys says who asks

    scopes: Any = MultipleChoiceField(
        required=False,
        widget=FilteredSelectMultiple("permissions", is_stacked=False),
        help_text="What the key is limited to, out of what its owner may do. Choose nothing for "
        "a key of your own that may do all that you may.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "scopes" in self.fields:
            names = _permission_names(self.granter)
            self.fields["scopes"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]  # a choice field

    def clean_scopes(self) -> list[str] | None:
        return sorted(self.cleaned_data["scopes"]) or None


def _permission_names(granter: Identity) -> list[str]:
    rows = grantable(granter, Permission).values_list("content_type__app_label", "codename")
    return sorted(f"{app}.{codename}" for app, codename in rows)


_MADE = "trivet_made_key"
"""Where a request keeps the key that it made, until its response shows it."""

_FIXED = (
    "prefix",
    "owner",
    "allowed",
    "created_at",
    "last_used_at",
    "expires_at",
    "revoked_at",
)
"""The fields of a key that are shown and cannot be changed."""


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

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **options)
        form.granter = granter_of_request(request)  # the class was made for this request
        return form

    def get_autocomplete_fields(self, request: HttpRequest) -> Any:
        """A plain choice for those who may not search among the users."""
        may: Any = request.user
        asked = ("accounts.view_user", "accounts.change_user")
        return self.autocomplete_fields if any(map(may.has_perm, asked)) else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """The command line's default term; a key that never expires is asked for explicitly."""
        given = super().get_changeform_initial_data(request)
        expires_at = datetime.now(UTC) + timedelta(days=DEFAULT_DAYS)
        owner_id = granter_of_request(request).user_id
        return {"owner": owner_id, "expires_at": expires_at, **given}

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **options: Any) -> Any:
        if db_field.name == "owner":
            options["queryset"] = possible_owners(granter_of_request(request))
        return super().formfield_for_foreignkey(db_field, request, **options)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_below(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_below(request, obj)

    def _is_below(self, request: HttpRequest, key: Any) -> bool:
        """Whether `key` is no superuser's, or the user of `request` is one."""
        return key is None or granter_of_request(request).is_superuser or not key.owner.is_superuser

    @admin.display(description="state")
    def state(self, key: Any) -> str:
        state: str = ApiKey.state(key, datetime.now(UTC))
        return state

    @admin.display(description="may do")
    def allowed(self, key: Any) -> str:
        if key.scopes is None:
            return "all that its owner may"
        return ", ".join(key.scopes) or "nothing"

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
        setattr(request, _MADE, secret)

    def response_add(self, request: HttpRequest, obj: Any, *_rest: Any) -> HttpResponse:
        """The page with the key, and no redirect: whatever carries a message across one (a
        cookie, the session's row) would hold the key as it is."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "The key was made",
            "key": obj,
            "secret": getattr(request, _MADE),
        }
        return TemplateResponse(request, "trivet_admin/key_made.html", context)

    @admin.action(description="Revoke selected API keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        prefixes = list(queryset.values_list("prefix", flat=True))
        for prefix in prefixes:
            revoke_key(unit_session(request), prefix)
        self.message_user(request, f"Revoked: {', '.join(prefixes)}.", messages.SUCCESS)
