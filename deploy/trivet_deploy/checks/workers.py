"""Several processes that would not hear of each other."""

from trivet.errors import ConfigurationError
from trivet_settings import Settings


def require_broker(settings: Settings, workers: int) -> None:
    """Raise ConfigurationError if `workers` processes were to share nothing that carries their
    messages, unless TRIVET_BROKER asks for that by name."""
    if workers > 1 and settings.broker_address == "memory" and not _is_asked_for(settings):
        raise ConfigurationError(
            "no-broker",
            f"{workers} workers on SQLite would not hear of each other: a change would reach the "
            f"sockets of another worker by its next poll, and a revoked credential would be "
            f"trusted there for up to {settings.identity_cache_seconds:g} s. Cure: one worker, or "
            f"a database on PostgreSQL, which carries their messages too, or TRIVET_BROKER="
            f"redis://…; TRIVET_BROKER=memory says that late is good enough.",
        )


def find_lateness(settings: Settings, workers: int) -> str:
    """What is late where several workers were asked for without a broker; empty if nothing is."""
    if workers == 1 or settings.broker_address != "memory":
        return ""
    return (
        f"TRIVET_BROKER=memory with {workers} workers: a change reaches the sockets of another "
        f"worker within {settings.poll_seconds:g} s, and a revocation within "
        f"{settings.identity_cache_seconds:g} s"
    )


def _is_asked_for(settings: Settings) -> bool:
    return bool(settings.broker.get_secret_value())
