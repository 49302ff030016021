"""Where a server listens: the same options, with the same names, for every command that serves."""

from typing import Annotated

import typer

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, envvar="PORT", help="Port to listen on.")]

HOST = "127.0.0.1"
PORT = 8000
