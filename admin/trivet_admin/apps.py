"""The Django apps of this room: the platform's mirrors, and the admin with our site."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig

from trivet.models.mapped import our_mappers
from trivet_admin.mirror.labels import PLATFORM_LABEL


class TrivetConfig(AppConfig):
    """Mirrors every mapped class once all models are loaded, before the admin looks for
    the ``admin.py`` of each feature."""

    name = "trivet_admin"
    label = PLATFORM_LABEL
    verbose_name = "Trivet"

    def ready(self) -> None:
        # Modules that read models can be imported only now.
        from django.contrib.auth.signals import user_logged_in

        from trivet_admin.auth.session_store import give_new_key
        from trivet_admin.mirror.cascade_check import require_collected
        from trivet_admin.mirror.registry import mirror_all

        user_logged_in.connect(give_new_key, dispatch_uid="trivet_admin.give_new_key")
        mirror_all(config.name for config in apps.get_app_configs())
        require_collected(our_mappers())


class TrivetAdminConfig(AdminConfig):
    """Django's admin, with our site as the default one."""

    default_site = "trivet_admin.site.site.TrivetAdminSite"
