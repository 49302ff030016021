"""The section of the settings about the parts of the application."""

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from trivet_settings.description import About
from trivet_settings.values import (
    FeatureNames,
    Listed,
    MountCommits,
    MountLimits,
    MountPolicies,
    Mounts,
    NonEmptyRooms,
)

Room = Literal["api", "admin", "realtime"]


class CompositionSettings(BaseSettings):
    """The parts that the application is made of."""

    features: Annotated[
        FeatureNames,
        About(
            "The feature packages to load; after name= a package of which only the mapped classes "
            "are taken.",
            "package names, comma-separated or JSON",
            cure="Write it like departures,shop.orders or books=theirs.tables",
        ),
    ] = ()
    rooms: Annotated[
        tuple[Room, ...],
        *Listed,
        NonEmptyRooms,
        About(
            "Which rooms this process serves.",
            "any of api, admin, realtime, comma-separated or JSON",
            cure="Write it like api,admin,realtime",
        ),
    ] = ("api", "admin", "realtime")
    extra_mounts: Annotated[
        Mounts,
        About(
            "Other applications to mount, by prefix.",
            "JSON object of prefix to asgi:module:attribute or wsgi:module:attribute",
            cure='Write it like {"/legacy": "wsgi:shop.flask_app:app"}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    mount_policies: Annotated[
        MountPolicies,
        About(
            "Who may use an extra mount, or a prefix of TRIVET_DJANGO_URLS; Trivet checks it "
            "before the mount is called. One that is not named here decides by itself (its-own).",
            "JSON object of prefix to public, authenticated, staff, its-own or app.permission",
            cure='Write it like {"/legacy": "staff"}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    mount_commits_on: Annotated[
        MountCommits,
        About(
            "Refusals of an extra mount that keep what the request did (a logout that answers "
            "401). Without it, every request that is answered with 400 or more is rolled back.",
            "JSON object of prefix to a list of statuses from 400 to 499",
            cure='Write it like {"/accounts": [401, 409]}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    mount_body_limits: Annotated[
        MountLimits,
        About(
            "Largest request body of an extra mount, where it is another one than "
            "TRIVET_BODY_LIMIT_BYTES.",
            "JSON object of prefix to bytes",
            cure='Write it like {"/legacy": 209715200}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    direct_answers: Annotated[
        bool,
        About(
            "Answer plain routes of the API without FastAPI's machinery, which makes a GET three "
            "times as fast. Off: FastAPI gives the same answers."
        ),
    ] = True
    django_threads: Annotated[
        int,
        Field(ge=1, le=1000),
        About("Bound of concurrent Django requests; each has a thread.", "threads a process"),
    ] = 8
