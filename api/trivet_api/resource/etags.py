"""The entity tag of a row: its version, or what it shows.

A class with a version has it, together with the names of the attributes that are hidden from the
actor: whoever sees more or fewer than before goes on with no old answer. Any other has a digest of
the JSON that the actor sees: nobody gets a tag that depends on something hidden, and whoever writes
compares with what the caller has read.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from trivet.models.row_keys import key_text

_DIGEST_BYTES = 12
_OF_A_TAG = re.compile("[!#-~]+")
"""What may stand in an entity tag (RFC 9110, section 8.8.3), of ASCII."""
encode = msgspec.json.Encoder(order="sorted").encode


def version_attribute(model: type[Any]) -> str | None:
    """The name of the attribute that counts the versions of a row; None if nothing does."""
    mapper: Mapper[Any] = inspect(model)
    column = mapper.version_id_col
    return None if column is None else mapper.get_property_by_column(column).key


def version_with(version: object, lists: Mapping[str, Any], hidden: Collection[str] = ()) -> str:
    """A version together with the members of the row, which no counter counts, and with the
    attributes that are hidden: who sees others than before has another row before them.

    A version is a number as a rule, and may be an instant, a UUID or any text.
    """
    text = key_text([version])
    if not _OF_A_TAG.fullmatch(text):
        text = digest_of(text.encode())
    if hidden:
        return f"{text}-{digest_of(encode([sorted(hidden), lists]))}"
    return f"{text}-{digest_of(encode(lists))}" if lists else text


def digest_of(body: bytes) -> str:
    """What stands for a version, made of a row's JSON."""
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()
