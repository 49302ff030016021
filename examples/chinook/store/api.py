"""The API of the shop: its artists, and its playlists with their tracks."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from store import services
from trivet_api import SingleQuery, Unit, requires

router = APIRouter()

KEY_MAX = 2**31 - 1
Key = Annotated[int, Field(ge=1, le=KEY_MAX)]
PathKey = Annotated[Key, Path()]
Limit = Annotated[int, Query(ge=1, le=200)]


class Row(BaseModel):
    """The base of what is read from a mapped object, by the names of its attributes."""

    model_config = ConfigDict(from_attributes=True)


class AlbumOut(Row):
    album_id: int
    title: str


class ArtistOut(Row):
    artist_id: int
    name: str | None


class ArtistWithAlbumsOut(ArtistOut):
    albums: list[AlbumOut]


class TrackOut(Row):
    track_id: int
    name: str
    composer: str | None
    milliseconds: int
    unit_price: Decimal
    album: AlbumOut | None


class EntryIn(BaseModel):
    """The track to put on a playlist."""

    model_config = ConfigDict(extra="forbid")

    track_id: Key


@router.get("/artists", dependencies=[requires("store.view_artist")])
async def list_artists(
    unit: SingleQuery, name: Annotated[str, Query(max_length=120)] = "", limit: Limit = 50
) -> list[ArtistOut]:
    """Artists whose names have `name` in them."""
    found = await unit.run(services.list_artists, name, limit)
    return [ArtistOut.model_validate(artist) for artist in found]


@router.get("/artists/{artist_id}", dependencies=[requires("store.view_artist")])
async def get_artist(artist_id: PathKey, unit: Unit) -> ArtistWithAlbumsOut:
    """One artist, with the albums."""
    return ArtistWithAlbumsOut.model_validate(await unit.run(services.get_artist, artist_id))


@router.get("/playlists/{playlist_id}/tracks", dependencies=[requires("store.view_playlist")])
async def list_tracks(
    playlist_id: PathKey,
    unit: Unit,
    after: Annotated[int, Query(ge=0, le=KEY_MAX)] = 0,
    limit: Limit = 50,
) -> list[TrackOut]:
    """Tracks of a playlist by key; `after` is the last key of the page before."""
    found = await unit.run(services.list_tracks, playlist_id, after, limit)
    return [TrackOut.model_validate(track) for track in found]


@router.post(
    "/playlists/{playlist_id}/tracks",
    status_code=201,
    dependencies=[requires("store.add_playlisttrack")],
)
async def add_track(playlist_id: PathKey, entry: EntryIn, unit: Unit) -> TrackOut:
    """Put a track on a playlist; 409 if it is there already."""
    track = await unit.run(services.add_track, playlist_id, entry.track_id)
    return TrackOut.model_validate(track)
