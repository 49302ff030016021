"""uvicorn's worker without its own pings of WebSockets, which the load would have to answer."""

from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]  # it ships no types


class QuietWorker(UvicornWorker):  # type: ignore[misc]  # as above
    CONFIG_KWARGS = {**UvicornWorker.CONFIG_KWARGS, "ws_ping_interval": None}  # noqa: RUF012  # the parent's name
