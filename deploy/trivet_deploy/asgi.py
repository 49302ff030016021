"""The composition: one application out of three rooms, and the table of contents of the house.

A server takes it as `trivet_deploy.asgi:app`, or as the factory `trivet_deploy.asgi:create_app`.
Importing this module opens nothing; asking it for `app` does.
"""

import os
from collections.abc import Callable, Mapping, Sequence

from starlette.types import ASGIApp

import trivet_admin.mount
import trivet_api.mount
import trivet_realtime.mount
from trivet import Platform
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import Root, build_root, pages_of
from trivet.log import configure_logging
from trivet_deploy.checks.start import require_sound
from trivet_deploy.checks.workers import require_broker
from trivet_deploy.composition import open_platform_with_django
from trivet_deploy.mounts.extra import mount_extras
from trivet_deploy.observers import register_observers
from trivet_deploy.server.options import quiet_sockets
from trivet_deploy.server.proxies import TrustedProxies
from trivet_settings import Settings, load_settings
from trivet_settings.sections.composition import Room

__all__ = ["create_app"]

ROOMS: Mapping[Room, Callable[[Platform], MountedApp]] = {
    "api": trivet_api.mount.mount,  # FastAPI at /api
    "admin": trivet_admin.mount.mount,  # Django at /admin
    "realtime": trivet_realtime.mount.mount,  # sockets at /ws
}


def create_app(settings: Settings | None = None) -> Root:
    """Make the whole application, for one process.

    Nothing connects anywhere before the lifespan starts.

    Args:
        settings: The settings; loaded from the environment and `.env` if None.

    Returns:
        The ASGI application. It serves `http`, `websocket` and `lifespan`.

    Raises:
        SettingsError: Settings are missing or wrong. It lists all faults.
        ConfigurationError: A feature does not fit, a policy names a permission that no model has,
            or Django's own checks find an error.
    """
    settings = settings or load_settings()
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    quiet_sockets()
    platform = open_platform_with_django(settings, serves=True)
    register_observers(platform)
    rooms = mount_rooms(platform)
    mounts = list_mounts(platform, rooms)
    require_sound([*mounts, *pages_of(platform.features)])
    # A credential of one room is valid in every process, also where that room is not served.
    known_by = [each for mounted in rooms.values() for each in mounted.authenticators]
    root = build_root(platform, mounts, authenticators=known_by)
    if settings.trusted_proxies:
        root.app = TrustedProxies(root.app, settings.trusted_proxies)
    return root


def mount_rooms(platform: Platform) -> Mapping[Room, MountedApp]:
    """Every room, served by this process or not."""
    return {room: mount(platform) for room, mount in ROOMS.items()}


def list_mounts(
    platform: Platform, rooms: Mapping[Room, MountedApp] | None = None
) -> Sequence[MountedApp]:
    """The mounts of this process: its rooms in the order of `ROOMS`, then the URLs of joined Django
    applications, which the process that serves the admin serves, then the extra mounts."""
    rooms = mount_rooms(platform) if rooms is None else rooms
    names = platform.settings.rooms
    served = [mounted for room, mounted in rooms.items() if room in names]
    joined = trivet_admin.mount.mount_urls(platform) if "admin" in names else ()
    return (*served, *joined, *mount_extras(platform.settings))


def __getattr__(name: str) -> ASGIApp:
    # PEP 562: servers that know no factories ask for `app`, and only then is it made.
    if name == "app":
        workers = os.environ.get("WEB_CONCURRENCY", "")  # read by other servers too
        require_broker(load_settings(), int(workers) if workers.isdecimal() else 1)
        return create_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
