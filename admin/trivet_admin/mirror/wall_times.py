"""Forms of datetimes without a zone: what is typed is what is stored.

Django's turn what people type into an aware instant of the current zone. These leave the clock
alone.
"""

import datetime as dt
from functools import cache
from typing import Any

from django import forms
from django.utils import timezone


@cache
def wall_form(form_class: Any) -> Any:
    """`form_class`, or Django's own if it is None, for datetimes without a zone."""
    plain = form_class or forms.DateTimeField
    return type(f"Wall{plain.__name__}", (_Wall, plain), {})


class _Wall:
    """Reads what was typed in UTC, which every clock can be, and takes the zone away."""

    def compress(self, data_list: Any) -> Any:
        with timezone.override(dt.UTC):
            return _without_zone(super().compress(data_list))  # type: ignore[misc]  # a split field stands beside us

    def to_python(self, value: Any) -> Any:
        with timezone.override(dt.UTC):
            return _without_zone(super().to_python(value))  # type: ignore[misc]  # a field stands beside us


def _without_zone(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value
