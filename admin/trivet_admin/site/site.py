"""The admin site: its names, and the order of its index."""

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite, ModelAdmin
from django.http import HttpRequest

from trivet_admin.mirror.keys import is_named_by_text

ACCESS = ("accounts", "auth")
"""Users and permissions in one section, although Django keeps groups in an app of their own."""

PLATFORM_APPS = (*ACCESS, "trivet")
"""Shown last, after the features."""


class TrivetAdminSite(AdminSite):
    index_title = "Overview"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """As Django's, which has no sentence for a mapped class.

        Raises ConfigurationError for one: it is registered by `trivet_admin.register`.
        """
        from trivet_admin.site.registration import require_models_of_django

        require_models_of_django(model_or_iterable)
        is_one = isinstance(model_or_iterable, type)
        for model in [model_or_iterable] if is_one else model_or_iterable:
            if is_named_by_text(model) and not self.is_registered(model):
                self._register_by_text(model, admin_class, options)
            else:
                super().register(model, admin_class, **options)

    def _register_by_text(self, model: Any, admin_class: Any, options: Any) -> None:
        """What Django does for other models; it refuses all that have a key of several columns."""
        base = admin_class or ModelAdmin
        if options:
            base = type(f"{model.__name__}Admin", (base,), {**options, "__module__": __name__})
        self._registry[model] = base(model, self)

    @property
    def site_header(self) -> str:  # type: ignore[override]  # Django has it as an attribute
        """The product's name."""
        return str(settings.TRIVET_NAME)

    @property
    def site_title(self) -> str:  # type: ignore[override]  # as above
        """The title in a browser's tabs."""
        return str(settings.TRIVET_TITLE)

    @property
    def login_form(self) -> Any:  # type: ignore[override]  # as above
        """The form of the login page; it imports the user, who is not there yet at first."""
        from trivet_admin.auth.login_form import ThrottledLoginForm

        return ThrottledLoginForm

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """The context of every page: Django's, the logo, and the way to the root's page.
        Where "View site" would lead in Django, to the script's name, is the admin itself."""
        ours = {"site_logo": settings.TRIVET_LOGO, "site_url": settings.TRIVET_SITE_URL}
        return {**super().each_context(request), **ours}

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Django's login page; 429 with Retry-After once too many logins failed."""
        response = super().login(request, extra_context)
        form = (getattr(response, "context_data", None) or {}).get("form")
        retry_after = getattr(form, "retry_after", None)
        if retry_after is not None:
            response.status_code = 429
            response["Retry-After"] = str(retry_after)
        return response

    def get_urls(self) -> list[Any]:
        """Django's; the way to a row's own page is for those who see the row."""
        from trivet_admin.site.ways import of_seen_rows

        return [of_seen_rows(self, each) for each in super().get_urls()]

    def autocomplete_view(self, request: HttpRequest) -> Any:
        """What a form searches for related rows by."""
        from trivet_admin.site.autocompletion import Autocompletion

        return Autocompletion.as_view(admin_site=self)(request)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Django's index, with numbers, the visitor's latest changes and the ways elsewhere."""
        from trivet_admin.site import overview

        context = {
            "app_list": overview.with_counts(self, request, self.get_app_list(request)),
            "recent": overview.list_recent_changes(self, request),
            "places": overview.list_places(request),
        }
        return super().index(request, {**context, **(extra_context or {})})

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Django's index of one section, with numbers."""
        from trivet_admin.site import overview

        app_list = self.get_app_list(request, app_label)
        context = {"app_list": overview.with_counts(self, request, app_list)}
        return super().app_index(request, app_label, {**context, **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The features by name, then users and groups as one section, and the platform's own."""
        if app_label in ACCESS:
            return [each for each in self.get_app_list(request) if each["app_label"] in ACCESS]
        found: list[Any] = super().get_app_list(request, app_label)
        if app_label is not None:
            return found
        access = [app for app in found if app["app_label"] in ACCESS]
        sections = [app for app in found if app["app_label"] not in PLATFORM_APPS]
        if access:
            models = [model for app in access for model in app["models"]]
            sections.append({**access[0], "models": models})
        return [*sections, *(app for app in found if app["app_label"] == "trivet")]
