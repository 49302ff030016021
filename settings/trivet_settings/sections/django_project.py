"""The section of the settings about Django applications that join, one or a whole project."""

from types import MappingProxyType
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from trivet_settings.description import About
from trivet_settings.values import (
    AuditExceptions,
    DottedNames,
    DottedPath,
    Listed,
    UrlConfs,
)


class DjangoProjectSettings(BaseSettings):
    """Applications of Django's, beside the features."""

    django_settings: Annotated[
        str,
        DottedPath,
        About(
            "The settings module of an existing Django project. Its applications, middleware and "
            "templates join, and its other settings hold wherever Trivet has none of its own.",
            "dotted name of a module",
            cure="Write it like mysite.settings",
        ),
    ] = ""
    django_apps: Annotated[
        DottedNames,
        About(
            "Django applications that join, as INSTALLED_APPS has them. They come after those of "
            "TRIVET_DJANGO_SETTINGS.",
            "dotted names of packages or AppConfigs, comma-separated or JSON",
            cure="Write it like polls,import_export",
        ),
    ] = ()
    django_middleware: Annotated[
        DottedNames,
        About(
            "Django middleware, the outermost first. It runs inside Trivet's own, and so inside "
            "of the transaction, after that of TRIVET_DJANGO_SETTINGS.",
            "dotted names, comma-separated or JSON",
            cure="Write it like polls.middleware.VisitMiddleware",
        ),
    ] = ()
    django_urls: Annotated[
        UrlConfs,
        About(
            "URLconfs of Django applications, by the prefix at which they are served.",
            "JSON object of prefix to the dotted name of a module",
            cure='Write it like {"/polls": "polls.urls"}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    django_templates: Annotated[
        tuple[str, ...],
        *Listed,
        About(
            "Folders of templates that are searched before those of the applications.",
            "paths, comma-separated or JSON",
            cure="Write it like templates",
        ),
    ] = ()
    django_audit: Annotated[
        AuditExceptions,
        About(
            "Exceptions from the audit trail for models of joined applications: rows or values "
            "that are not to stand in it.",
            "JSON object of app.model or app.model.field to ignored or redacted",
            cure='Write it like {"polls.visit": "ignored", "polls.token.secret": "redacted"}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
