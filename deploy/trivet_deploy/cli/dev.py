"""`trivet dev`: one process that starts again when a file changes."""

import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from trivet_deploy.cli import address

if TYPE_CHECKING:
    from trivet_settings import Settings


def dev(
    host: address.Host = address.HOST,
    port: address.Port = address.PORT,
) -> None:
    """Serve with reload, for work on a feature.

    Debugging is on unless TRIVET_DEBUG says otherwise. The working directory and the packages of
    the features are watched. After each change it says what the files get wrong, and whether
    models and database differ.
    """
    import uvicorn

    from trivet.log import configure_logging
    from trivet_deploy.server.options import server_options
    from trivet_deploy.server.port import require_port
    from trivet_settings import load_settings

    # By the environment, because the process that serves is another one.
    os.environ.setdefault("TRIVET_DEBUG", "true")
    settings = load_settings()
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    require_port(host, port, "trivet dev")
    uvicorn.run(
        "trivet_deploy.server.dev_app:create_app",
        factory=True,
        host=host,
        port=port,
        reload=True,
        reload_dirs=[str(path) for path in _watched(settings)],
        **server_options(settings),
    )


def _watched(settings: "Settings") -> list[Path]:
    found = [Path.cwd()]
    for name in settings.features:
        # What is not there, or cannot be imported, is told by the process that serves.
        with suppress(Exception):
            spec = find_spec(name)
            if spec is not None and spec.origin:
                found.append(Path(spec.origin).parent)
    return found
