from django.apps import AppConfig
from django.template.loader import render_to_string

LOADED: dict[str, str] = {}
"""What was rendered, by the moment at which it was."""


def render(moment: str) -> None:
    LOADED[moment] = render_to_string("admin/base_site.html")


class EarlyConfig(AppConfig):
    name = "tests.admin.early"

    def import_models(self) -> None:
        render("models")
        super().import_models()

    def ready(self) -> None:
        render("ready")
