"""`trivet demo`: from nothing to a moving departure board."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.panel import Panel
from rich.table import Table

from trivet_deploy.cli import address
from trivet_deploy.cli.console import say, stdout

if TYPE_CHECKING:
    from trivet_deploy.demo.home import Credentials
    from trivet_settings import Settings


def demo(
    data: Annotated[
        Path, typer.Option(file_okay=False, help="Directory that keeps the data between starts.")
    ] = Path("var/demo"),
    host: address.Host = address.HOST,
    port: address.Port = address.PORT,
    speed: Annotated[
        float, typer.Option(min=1, max=10_000, help="Minutes of the week in one real minute.")
    ] = 60.0,
) -> None:
    """Serve the departures of a real week, and replay what happened in it.

    Nothing needs to be configured. Airlines' movements arrive through the API as they did from
    4 to 10 February 2013, sped up; the board moves by itself. Ctrl-C ends it, the data stays.
    """
    from trivet_deploy.demo import seed
    from trivet_deploy.demo.home import DemoHome
    from trivet_deploy.demo.replaying import replaying
    from trivet_deploy.demo.serving import serve
    from trivet_deploy.server.port import claim_port

    seed.find_examples()
    with claim_port(host, port, "trivet demo") as listener:
        home = DemoHome(data)
        settings = home.settings(port)
        credentials = seed.seed(home, settings, stdout)
        with replaying(f"http://{host}:{port}", credentials.api_key, speed) as start_replay:

            def ready() -> None:
                stdout.print(_panel(settings, credentials, data))
                start_replay()

            serve(settings, listener, ready)
    say(f"Stopped. The data stays in {data}.")


def _panel(settings: "Settings", credentials: "Credentials", data: Path) -> Panel:
    url = settings.public_url
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    for name, value in (
        ("Board", f"{url}/departures/JFK   (or LGA, EWR)"),
        ("Admin", f"{url}/admin/   {credentials.username} / {credentials.password}"),
        ("API", f"{url}/api/docs"),
        ("API key", credentials.api_key),
        ("Data", str(data)),
    ):
        table.add_row(name, value)
    return Panel(table, title="Trivet: departures", subtitle="Ctrl-C ends it", expand=False)
