"""Values that a person could type into a form, made up from the kind of each of its fields.

A project's class may want more of a text than its column says (an address, a date). What a page
refuses is tried again with the next text of the list.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from django import forms

TEXTS = ("alpha", "a@example.org", "https://example.org/a", "2026-01-02", "1", "{}", "[]")
CHANGED = "omega"
DOCUMENTS = ('{"a": 1}', "[]", "{}", '["a"]', '"a"', "1")


def candidates_of(field: forms.Field, options: set[str]) -> Iterator[dict[str, str]]:
    """What may be filled in at `field`, the most probable first, by the suffixes of its inputs.

    Args:
        field: The field of Django's form.
        options: What the page offers to choose, if it does.
    """
    offered = sorted(option for option in options if option)
    if offered:
        yield from ({"": option} for option in offered)
    elif isinstance(field, forms.SplitDateTimeField):
        yield {"_0": "2026-01-02", "_1": "03:04:05"}
    elif not isinstance(field, forms.ModelChoiceField | forms.ChoiceField):
        yield from ({"": text} for text in _texts_of(field))


def _texts_of(field: Any) -> tuple[str, ...]:
    known: dict[type[forms.Field], tuple[str, ...]] = {
        forms.BooleanField: ("on",),
        forms.NullBooleanField: ("true",),
        forms.DateTimeField: ("2026-01-02 03:04:05",),
        forms.DateField: ("2026-01-02",),
        forms.TimeField: ("03:04:05",),
        forms.DurationField: ("1:00:00",),
        forms.FloatField: ("1.5", "1"),
        forms.DecimalField: ("1.5", "1"),
        forms.IntegerField: ("7", "1", "0"),
        forms.JSONField: DOCUMENTS,
        forms.UUIDField: (str(uuid.uuid4()),),
    }
    for kind, texts in known.items():
        if isinstance(field, kind):
            return texts
    most = getattr(field, "max_length", None)
    return tuple(text[:most] for text in TEXTS)


def change_of(field: forms.Field, shown: Any, options: set[str]) -> dict[str, str] | None:
    """Another value than the one that is `shown` at `field`; None if there is no other."""
    others = (c for c in candidates_of(field, options) if c.get("") != shown and "" in c)
    if isinstance(field, forms.BooleanField):
        return None  # a box is sent or not sent: `driving` leaves it
    if isinstance(field, forms.CharField) and not options and type(field) is forms.CharField:
        return {"": CHANGED[: field.max_length]}
    if isinstance(field, forms.IntegerField) and not options:
        return {"": "8" if shown != "8" else "9"}
    if isinstance(field, forms.SplitDateTimeField):
        return {"_0": "2027-01-02", "_1": "03:04:05"}
    return next(others, None)
