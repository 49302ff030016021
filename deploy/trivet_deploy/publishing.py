"""What an operator publishes by hand: read strictly, and refused before anything is opened."""

from codecs import BOM_UTF8

import msgspec

from trivet.errors import Invalid
from trivet.events.appending import NewPublication
from trivet.json_text import JsonError, read_json
from trivet_realtime.protocol import raw_json
from trivet_realtime.protocol.codec import DEEPEST, is_too_deep
from trivet_realtime.publishing import new_publication


def publication_of(channel: str, text: bytes, *, most_bytes: int) -> NewPublication:
    """The publication of `text`, which is JSON, to `channel`.

    Raises Invalid for what is no JSON, too deep, or larger than `most_bytes`.
    """
    try:
        read_json(text)
    except JsonError as error:
        raise Invalid(
            "data", f'This is no JSON: {error}. Write it like \'{{"gate": "B7"}}\', in quotes.'
        ) from error
    if is_too_deep(text.decode()):
        raise Invalid("data", f"The JSON is nested more than {DEEPEST} levels deep.")
    # Spaces between its parts mean nothing, and would cost every subscriber.
    encoded = msgspec.json.format(text.removeprefix(BOM_UTF8), indent=-1)
    if len(encoded) > most_bytes:
        raise Invalid(
            "data",
            f"The publication has {len(encoded):,} bytes, and TRIVET_BODY_LIMIT_BYTES allows "
            f"{most_bytes:,}. Publish an address where the rest can be fetched, or raise it.",
        )
    return new_publication(channel, raw_json(encoded))
