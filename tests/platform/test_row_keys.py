"""The text of a primary key names one row and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.models.row_keys import key_text, split_key

PARTS = st.lists(
    st.none() | st.text() | st.text("~!-,0127ECabc", max_size=6), min_size=2, max_size=4
)


@given(PARTS)
def test_the_parts_of_a_key_come_back_from_its_text(parts: list[str | None]) -> None:
    text = key_text(parts)
    assert split_key(text, len(parts)) == parts
    assert "," not in text  # a list of keys is joined by them


@given(st.text())
def test_a_text_that_is_read_as_a_key_is_the_text_of_that_key_or_refused(text: str) -> None:
    try:
        parts = split_key(text, 2)
    except ValueError:
        return
    assert split_key(key_text(parts), 2) == parts


@pytest.mark.parametrize("text", ["", "a", "a~b~c", "a~!", "a~!7", "a~!7e", "!!~b", "a~b!-"])
def test_what_is_no_key_of_two_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        split_key(text, 2)
