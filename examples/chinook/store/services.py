"""What may be asked of the shop, and done in it: plain functions, the same at every door."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from chinook.tables import Artist, Playlist, PlaylistTrack, Track
from trivet import Conflict, NotFound
from trivet.identity import Identity, require_permission


def list_artists(db: Session, actor: Identity, name: str, limit: int) -> Sequence[Artist]:
    """Artists with `name` in their names, in alphabetical order."""
    require_permission(actor, "store.view_artist")
    query = select(Artist).where(Artist.name.icontains(name, autoescape=True))
    return db.scalars(query.order_by(Artist.name, Artist.artist_id).limit(limit)).all()


def get_artist(db: Session, actor: Identity, artist_id: int) -> Artist:
    """The artist, with the albums, or NotFound."""
    require_permission(actor, "store.view_artist")
    artist = db.get(Artist, artist_id, options=[selectinload(Artist.albums)])
    if artist is None:
        raise NotFound("artist-not-found", f"There is no artist {artist_id}.")
    return artist


def list_tracks(
    db: Session, actor: Identity, playlist_id: int, after: int, limit: int
) -> Sequence[Track]:
    """Tracks of a playlist by their keys, those above `after`, or NotFound."""
    require_permission(actor, "store.view_playlist")
    _get_playlist(db, playlist_id)
    entries = select(PlaylistTrack.track_id).where(PlaylistTrack.playlist_id == playlist_id)
    query = select(Track).where(Track.track_id.in_(entries), Track.track_id > after)
    return db.scalars(
        query.order_by(Track.track_id).limit(limit).options(joinedload(Track.album))
    ).all()


def add_track(db: Session, actor: Identity, playlist_id: int, track_id: int) -> Track:
    """Put a track on a playlist. Raises NotFound for either, Conflict if it is there already."""
    require_permission(actor, "store.add_playlisttrack")
    playlist = _get_playlist(db, playlist_id)
    track = db.get(Track, track_id, options=[joinedload(Track.album)])
    if track is None:
        raise NotFound("track-not-found", f"There is no track {track_id}.")
    if db.get(PlaylistTrack, (playlist_id, track_id)) is not None:
        raise Conflict("already-there", f"{track} is on {playlist} already.")
    db.add(PlaylistTrack(playlist=playlist, track=track))
    return track


def _get_playlist(db: Session, playlist_id: int) -> Playlist:
    playlist = db.get(Playlist, playlist_id)
    if playlist is None:
        raise NotFound("playlist-not-found", f"There is no playlist {playlist_id}.")
    return playlist
