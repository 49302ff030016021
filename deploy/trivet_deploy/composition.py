"""The house without its rooms: what every command stands on.

Apart from `asgi`, so that a command that only needs the data does not wait for the frameworks that
serve it.
"""

import trivet_admin
from trivet import Platform
from trivet.data.capture import compose_capture
from trivet.features import load_features, naming_lines
from trivet.models.mapping_errors import require_configured
from trivet.platform import open_platform
from trivet_settings import Settings


def open_platform_with_django(settings: Settings) -> Platform:
    """The platform with its features, and Django configured: what every command stands on.

    Django is configured whichever rooms this process serves, because it keeps the users.
    Raises ConfigurationError, naming file and line, for what a feature's files get wrong.
    """
    features = load_features(settings.features)
    with naming_lines([feature.folder for feature in features]):
        require_configured()
        capture = compose_capture(features, settings.audit_secrets)
        trivet_admin.configure(settings, features, capture)
        return open_platform(
            settings,
            features,
            accounts=trivet_admin.accounts,
            django=trivet_admin.ThreadedTransactions(settings.django_threads),
            capture=capture,
        )
