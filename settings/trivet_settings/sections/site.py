"""The section of the settings about the site."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from trivet_settings.description import About
from trivet_settings.values import HomePath, ProductName, PublicAddress, SitePath


class SiteSettings(BaseSettings):
    """The site: what it is called, and where it is found."""

    debug: Annotated[
        bool,
        About("Show tracebacks to everybody who meets an error; never on a public installation."),
    ] = False
    secret_key: Annotated[
        SecretStr,
        Field(min_length=32),
        About(
            "Signs sessions, tokens and cursors. At least 32 characters, different for every "
            "installation, the same in every process of one.",
            cure="Write one into .env with: trivet secret",
            secret=True,
        ),
    ]
    name: Annotated[
        str,
        Field(max_length=60),
        ProductName,
        About("The product's name, at the head of every page and in the OpenAPI document."),
    ] = "Trivet"
    site_title: Annotated[
        str,
        Field(max_length=100),
        About("The title of the admin's pages in a browser's tabs. Empty: the product's name."),
    ] = ""
    logo: Annotated[
        str,
        SitePath,
        About(
            "The picture beside the name, and the icon of the pages. Empty: Trivet's.",
            "path on this site",
            cure="Write it like /departures/static/departures.svg",
        ),
    ] = ""
    home: Annotated[
        str,
        HomePath,
        About(
            "Where a visitor of / is sent. Empty: / shows the places to go.",
            "path on this site",
            cure="Write it like /departures/",
        ),
    ] = ""
    public_url: Annotated[
        PublicAddress,
        About(
            "The address under which people reach this installation. It decides host checks, "
            "cross-site checks and cookie flags.",
            cure="Write it like https://board.example.org",
        ),
    ] = "http://localhost:8000"
