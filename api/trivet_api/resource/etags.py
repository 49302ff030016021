"""The entity tag of a row: its version, or what it shows.

A class with a version counter has its number. Any other has a digest of the JSON that the actor
sees: nobody gets a tag that depends on something hidden, and whoever writes compares with what the
caller has read.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

_DIGEST_BYTES = 12
encode = msgspec.json.Encoder(order="sorted").encode


def version_attribute(model: type[Any]) -> str | None:
    """The name of the attribute that counts the versions of a row; None if nothing does."""
    mapper: Mapper[Any] = inspect(model)
    column = mapper.version_id_col
    return None if column is None else mapper.get_property_by_column(column).key


def version_with(version: object, lists: Mapping[str, Any]) -> str:
    """A version together with the members of the row, which no counter counts."""
    return f"{version}-{digest_of(encode(lists))}" if lists else str(version)


def digest_of(body: bytes) -> str:
    """What stands for a version, made of a row's JSON."""
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()
