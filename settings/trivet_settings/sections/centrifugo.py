"""The section of the settings about a Centrifugo that serves the sockets in our place."""

from typing import Annotated, Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from trivet_settings.description import About
from trivet_settings.values import HeaderSecret, ServerAddress

CentrifugoSource = Literal["stream", "outbox"]


class CentrifugoSettings(BaseSettings):
    """Centrifugo in front: what it asks, and where it is told something."""

    centrifugo_secret: Annotated[
        SecretStr,
        About(
            "Opens the addresses at which Centrifugo asks who may connect, subscribe, publish and "
            "call; it sends the secret with each question. Empty: they are closed.",
            cure="Make one with: trivet secret --print",
            secret=True,
        ),
        HeaderSecret,
    ] = SecretStr("")
    centrifugo_api_url: Annotated[
        str,
        ServerAddress,
        About(
            "Where Centrifugo's server API is told about revocations and commands. Needed with "
            "TRIVET_CENTRIFUGO_SECRET.",
            "http(s) address",
            cure="Write it like http://centrifugo:8000/api",
        ),
    ] = ""
    centrifugo_api_key: Annotated[
        SecretStr,
        About(
            "The key of Centrifugo's server API (http_api.key).",
            cure="Make one with: trivet secret --print",
            secret=True,
        ),
        HeaderSecret,
    ] = SecretStr("")
    centrifugo_source: Annotated[
        CentrifugoSource,
        About(
            "Where Centrifugo reads publications: in the tables of its PostgreSQL stream broker, "
            "with our positions (stream), or in a table that its consumer empties (outbox).",
            "stream or outbox",
        ),
    ] = "stream"
