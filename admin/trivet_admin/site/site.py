"""The admin site: its names, and the order of its index."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

PLATFORM_APPS = ("accounts", "auth", "trivet")
"""Who may do what: shown last and together, after the features."""

AUDIT = "AuditEntry"
"""The model with a section of its own."""


class TrivetAdminSite(AdminSite):
    site_header = "Trivet"
    site_title = "Trivet"
    index_title = "Overview"
    site_url = None  # there is no page at the root, and Django's default link would lead there

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """As Django's, which has no sentence for a mapped class.

        Raises ConfigurationError for one: it is registered by `trivet_admin.register`.
        """
        from trivet_admin.site.registration import require_models_of_django

        require_models_of_django(model_or_iterable)
        super().register(model_or_iterable, admin_class, **options)

    @property
    def login_form(self) -> Any:  # type: ignore[override]  # Django has it as an attribute
        """The form of the login page; it imports the user, who is not there yet at first."""
        from trivet_admin.auth.login_form import ThrottledLoginForm

        return ThrottledLoginForm

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Django's login page; 429 with Retry-After once too many logins failed."""
        response = super().login(request, extra_context)
        form = (getattr(response, "context_data", None) or {}).get("form")
        retry_after = getattr(form, "retry_after", None)
        if retry_after is not None:
            response.status_code = 429
            response["Retry-After"] = str(retry_after)
        return response

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The features by name, then one section for users, groups and keys, and one for the
        audit trail."""
        found: list[Any] = super().get_app_list(request, app_label)
        if app_label is not None:
            return found
        house = [app for app in found if app["app_label"] in PLATFORM_APPS]
        sections = [app for app in found if app["app_label"] not in PLATFORM_APPS]
        models = [model for app in house for model in app["models"]]
        access = [model for model in models if model["object_name"] != AUDIT]
        audit = [model for model in models if model["object_name"] == AUDIT]
        if access:
            sections.append({**house[0], "models": access})
        if audit:
            sections.append({**house[-1], "name": "Audit", "models": audit})
        return sections
