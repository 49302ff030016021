"""The house without its rooms: what every command stands on.

Apart from `asgi`, so that a command that only needs the data does not wait for the frameworks that
serve it.
"""

from trivet import Platform
from trivet.data.capture import Capture, compose_capture
from trivet.feature_errors import naming_lines
from trivet.features import load_features
from trivet.models.mapping_errors import require_configured
from trivet.platform import open_platform
from trivet_admin import runtime
from trivet_admin.auth.login import DjangoAccounts
from trivet_admin.configuration import configure
from trivet_admin.joined.project import folders_of
from trivet_admin.transactions import ThreadedTransactions
from trivet_settings import Settings


def open_platform_with_django(settings: Settings, *, serves: bool = False) -> Platform:
    """The platform with its features, and Django configured: what every command stands on.

    With `serves` statements have a time limit, and replicas are read from.

    Django is configured whichever rooms this process serves, because it keeps the users.
    Raises ConfigurationError, naming file and line, for what a feature's files get wrong.
    """
    features = load_features(settings.features)
    with naming_lines([*(feature.folder for feature in features), *folders_of(settings)]):
        require_configured()
        capture = compose_capture(features, settings.audit_secrets)
        configure(settings, features, capture)
        _include_joined(capture)
        platform = open_platform(
            settings,
            features,
            accounts=DjangoAccounts(),
            django=ThreadedTransactions(settings.django_threads),
            capture=capture,
            serves=serves,
        )
        # Django's own writes tell it what they commit and revoke, in a command too.
        runtime.set_platform(platform)
        return platform


def _include_joined(capture: Capture) -> None:
    """Have `capture` know the models of joined Django applications, which are loaded by now."""
    from trivet_admin.joined import feeding, observers

    feeding.require_known(capture)
    reason = "which belongs to a Django application (write it by Django's ORM, in run_with_django)"
    capture.guard(observers.guarded_tables(), reason)
