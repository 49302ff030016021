"""The permissions of all models are there after each migration, and are called as the models are.

Django makes them for the apps that have a module of models, after it has migrated. The
platform's own mirrors (audit entries, API keys) have none, so `give_modules` names one for
them. What Django leaves is done here: a permission whose model got another name in words is
renamed, and permissions whose model is gone are reported. They are not deleted: a feature that
is switched off for a day would come back with nobody allowed to use it.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.apps import AppConfig, apps

logger = logging.getLogger("trivet.permissions")

_CURE = (
    "Permissions that no model has any more: %s. If the model is gone for good, "
    "'trivet django remove_stale_contenttypes' deletes them"
)


def give_modules() -> None:
    """Have Django make permissions for every app that has models, wherever these come from."""
    for config in apps.get_app_configs():
        if config.models_module is None and any(config.get_models()):
            config.models_module = config.module


def follow_models(app_config: AppConfig, **_: Any) -> None:
    """Listens to ``post_migrate``, which Django sends for each app."""
    from django.contrib.auth.models import Permission

    wanted = dict(_labels(app_config))
    models = {model._meta.model_name for model in app_config.get_models()}
    found = Permission.objects.filter(content_type__app_label=app_config.label)
    gone = []
    for permission in found.select_related("content_type").order_by("codename"):
        if permission.content_type.model not in models:
            gone.append(f"{app_config.label}.{permission.codename}")
        elif permission.name != wanted.get(permission.codename, permission.name):
            permission.name = wanted[permission.codename]
            permission.save(update_fields=["name"])
    if gone:
        logger.warning(_CURE, ", ".join(gone))


def _labels(app_config: AppConfig) -> Iterator[tuple[str, str]]:
    """Each permission of an app's models, and what Django calls it."""
    for model in app_config.get_models():
        options = model._meta
        for verb in options.default_permissions:
            yield f"{verb}_{options.model_name}", f"Can {verb} {options.verbose_name_raw}"
        yield from ((str(codename), str(name)) for codename, name in options.permissions)
