"""`trivet dev`: one process that starts again when a file changes."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trivet_settings import Settings


def dev(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65535, envvar="PORT", help="Port to listen on.")
    ] = 8000,
) -> None:
    """Serve with reload, for work on a feature.

    Debugging is on unless TRIVET_DEBUG says otherwise. The working directory and the packages of
    the features are watched.
    """
    import uvicorn

    from trivet.log import configure_logging
    from trivet_deploy.server.options import server_options
    from trivet_settings import load_settings

    # By the environment, because the process that serves is another one.
    os.environ.setdefault("TRIVET_DEBUG", "true")
    settings = load_settings()
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    uvicorn.run(
        "trivet_deploy.asgi:create_app",
        factory=True,
        host=host,
        port=port,
        reload=True,
        reload_dirs=[str(path) for path in _watched(settings)],
        **server_options(settings),
    )


def _watched(settings: "Settings") -> list[Path]:
    packages = (find_spec(name) for name in settings.features)
    found = [Path(spec.origin).parent for spec in packages if spec is not None and spec.origin]
    return [Path.cwd(), *found]
