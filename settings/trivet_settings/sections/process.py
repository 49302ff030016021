"""The section of the settings about the process."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from trivet_settings.description import About
from trivet_settings.values import Lowered, Observers


class ProcessSettings(BaseSettings):
    """The process: its workers, its times and its log."""

    keep_alive_seconds: Annotated[
        float,
        Field(gt=0, le=86_400),
        About(
            "How long a connection may be idle between two requests. More than the idle time of "
            "the balancer in front, or its next request meets a connection that just closed.",
            "seconds",
        ),
    ] = 75.0
    worker_seconds: Annotated[
        int,
        Field(ge=0, le=86_400),
        About(
            "How long a worker of `trivet serve` may be stuck in one blocking call before it is "
            "killed; 0: for ever.",
            "seconds",
        ),
    ] = 30
    start_seconds: Annotated[
        float,
        Field(ge=0, le=86_400),
        About(
            "How long a mounted application may take to start (its lifespan); after that the "
            "process does not start. 0: for ever.",
            "seconds",
        ),
    ] = 60.0
    worker_requests: Annotated[
        int,
        Field(ge=0),
        About(
            "After how many a worker of `trivet serve` is replaced by a new one; 0: never.",
            "requests",
        ),
    ] = 0
    worker_requests_jitter: Annotated[
        int,
        Field(ge=0),
        About(
            "Up to how many more each worker serves, by chance, so that they are not all replaced "
            "at once.",
            "requests",
        ),
    ] = 0
    blocked_seconds: Annotated[
        float,
        Field(ge=0, le=3600),
        About(
            "How long the event loop may be blocked before the log says by which code; 0: it "
            "never says.",
            "seconds",
        ),
    ] = 1.0
    shutdown_seconds: Annotated[
        int,
        Field(ge=1, le=3600),
        About("How long a stopping process waits for open requests and sockets.", "seconds"),
    ] = 10
    observers: Annotated[
        Observers,
        About(
            "Functions that add listeners for metrics, traces or alarms.",
            "module:function, comma-separated or JSON",
            cure="Write it like shop.metrics:observe",
        ),
    ] = ()
    log_format: Annotated[
        Literal["console", "json"], Lowered, About("How log lines are written.", "console or json")
    ] = "console"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Lowered,
        About("The least severe level that is logged.", "debug, info, warning or error"),
    ] = "info"
