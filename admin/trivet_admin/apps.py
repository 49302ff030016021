"""The Django apps of this room: the platform's mirrors, and the admin with our site."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

from trivet.audit import AuditEntry
from trivet.identity.keys import ApiKey
from trivet.models.mapped import our_mappers
from trivet_admin.mirror.labels import PLATFORM_LABEL

PLATFORM_MODELS = (AuditEntry, ApiKey)
"""The platform's own classes that have a place in the admin, and so permissions."""


class TrivetConfig(AppConfig):
    """Mirrors every mapped class once all models are loaded, before the admin looks for
    the ``admin.py`` of each feature, and has each mirror's permissions made."""

    name = "trivet_admin"
    label = PLATFORM_LABEL
    verbose_name = "Operations"
    default_auto_field = "django.db.models.BigAutoField"  # whatever a project that joins has

    def ready(self) -> None:
        # Modules that read models can be imported only now.
        from django.contrib.auth.signals import user_logged_in

        from trivet_admin.auth.login import note_opened
        from trivet_admin.auth.session_store import give_new_key
        from trivet_admin.connections import model  # noqa: F401  # which is known from here on
        from trivet_admin.joined import observers
        from trivet_admin.mirror.cascade_check import require_collected
        from trivet_admin.mirror.registry import mirror, mirror_all
        from trivet_admin.users.permissions import follow_models, give_modules

        user_logged_in.connect(give_new_key, dispatch_uid="trivet_admin.give_new_key")
        user_logged_in.connect(note_opened, dispatch_uid="trivet_admin.note_opened")
        # Groups stand with users, on the index and above every page of theirs.
        apps.get_app_config("auth").verbose_name = apps.get_app_config("accounts").verbose_name
        mirror_all(config.name for config in apps.get_app_configs())
        for mapped in PLATFORM_MODELS:
            mirror(mapped)
        require_collected(our_mappers())
        observers.connect()
        give_modules()
        post_migrate.connect(follow_models, dispatch_uid="trivet.permissions")


class TrivetAdminConfig(AdminConfig):
    """Django's admin, with our site as the default one. When each ``admin.py`` has registered what
    it shows, the classes that have a page by default get it."""

    default_site = "trivet_admin.site.site.TrivetAdminSite"

    def ready(self) -> None:
        super().ready()
        from trivet_admin.site.by_default import register_the_rest

        register_the_rest()
