"""Whole numbers of 64 bits in JSON.

A JSON number is whatever its reader makes of it, and a browser makes a float: of
9223372036854775807 it reads 9223372036854775808 (RFC 8259, 6, and RFC 7493, 2.2, name 53 bits as
the most to be relied upon). A text arrives as it was sent.
"""

from typing import Annotated

from pydantic import Field, PlainSerializer, WithJsonSchema

_SCHEMA = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}

BigIntString = Annotated[
    int,
    Field(ge=-(2**63), lt=2**63),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(_SCHEMA),
]
"""A whole number of 64 bits that is a text in JSON, in schemas of Pydantic::

    class MeterOut(BaseModel):
        reading: BigIntString

It is an ``int`` in Python. Answers hold it as ``"9223372036854775807"``; bodies and queries may
hold the text or a number.
"""
