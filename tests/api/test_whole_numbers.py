"""Whole numbers of 64 bits as texts, where a schema says so."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from trivet_api import BigIntString


class Meter(BaseModel):
    reading: BigIntString


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**53 + 1, 0])
def test_a_number_goes_out_as_a_text_and_comes_in_as_either(number: int) -> None:
    sent = Meter(reading=number).model_dump_json()
    assert json.loads(sent) == {"reading": str(number)}
    assert Meter.model_validate_json(sent).reading == number
    assert Meter.model_validate_json(json.dumps({"reading": number})).reading == number
    assert Meter(reading=number).model_dump()["reading"] == number


@pytest.mark.parametrize("given", ["9223372036854775808", 2**63, "1.5", "one", "", None, 1.5])
def test_what_is_no_number_of_64_bits_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        Meter.model_validate({"reading": given})


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_says_that_it_is_a_text(mode: Any) -> None:
    schema = TypeAdapter(BigIntString).json_schema(mode=mode)
    assert (schema["type"], schema["format"]) == ("string", "int64")
