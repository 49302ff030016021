"""One row and several rows: what addresses, channels, the admin and `trivet new` call them."""

import pytest

from trivet.models.nouns import plural_of, singular_of

NOUNS = """
book books, key keys, category categories, box boxes, match matches, dish dishes, class classes
size sizes, prize prizes, quiz quizzes, waltz waltzes, cache caches, tax taxes
bus buses, status statuses, bonus bonuses, radius radiuses, use uses, cause causes, house houses
case cases, course courses, database databases, lens lenses, gas gases, alias aliases
movie movies, cookie cookies, pie pies, reply replies, hero heroes, photo photos, shoe shoes
person people, salesperson salespeople, child children, man men, human humans, woman women
shelf shelves, bookshelf bookshelves, knife knives, half halves, move moves, glove gloves
analysis analyses, crisis crises, axis axes, matrix matrices, index indexes, criterion criteria
news news, series series, species species, staff staff, aircraft aircraft, data data, media media
flight_segment flight_segments, line_of_business line_of_businesses, address addresses
"""
PAIRS = [tuple(pair.split()) for line in NOUNS.split("\n") for pair in line.split(",") if pair]


@pytest.mark.parametrize(("one", "several"), PAIRS)
def test_one_and_several_lead_to_each_other(one: str, several: str) -> None:
    assert plural_of(one) == several
    assert singular_of(several) == one


@pytest.mark.parametrize("noun", ["products", "user settings", "people", "quizzes"])
def test_what_is_a_plural_already_gets_no_other(noun: str) -> None:
    assert plural_of(noun) == noun


def test_one_of_what_is_no_plural_is_itself() -> None:
    assert [singular_of(noun) for noun in ("stock", "gas", "analysis", "glass")] == [
        *("stock", "gas", "analysis", "glass")
    ]


def test_words_before_the_last_and_abbreviations_keep_their_letters() -> None:
    assert plural_of("API key") == "API keys"
    assert plural_of("API") == "APIs"
    assert plural_of("Buße") == "Bußes"
    assert singular_of("") == plural_of("") == ""
