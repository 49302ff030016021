"""The API of the shop: its classes, as they are."""

from fastapi import APIRouter

from chinook.tables import (
    Album,
    Artist,
    Customer,
    Employee,
    Genre,
    Invoice,
    InvoiceLine,
    MediaType,
    Playlist,
    PlaylistTrack,
    Track,
)
from trivet_api import resource

router = APIRouter()
for each in (
    resource(Artist, search=["name"], sorts=["name"], expand=["albums.tracks"]),
    resource(Album, search=["title"], expand=["artist", "tracks"]),
    resource(
        Track,
        search=["name", "composer"],
        filters=["*", "album.artist.name", "genre.name", "entries.playlist_id"],
        expand=["album.artist", "genre", "media_type"],
    ),
    resource(Genre),
    resource(MediaType),
    resource(Playlist, expand=["entries.track"]),
    resource(PlaylistTrack, expand=["track.album"]),
    resource(Employee, expand=["manager", "team", "customers"]),
    resource(Customer, search=["first_name", "last_name", "company"], expand=["support_rep"]),
    resource(Invoice, sorts=["invoice_date", "total"], expand=["customer", "lines.track"]),
    resource(InvoiceLine, filters=["*", "track.name"], expand=["track"]),
):
    router.include_router(each)
