"""A field for Python enums stored by value, whose Python values are the members."""

import enum
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from trivet_admin.generic import CharField


class EnumChoices:
    """The choices of an enum for Django: pairs to iterate over, a mapping to look up in.

    Django iterates to offer choices, and makes a dict of them to show a value. The dict must
    know the members too, the iteration must not offer them twice.
    """

    def __init__(self, members: type[enum.Enum]) -> None:
        self._labels: dict[Any, str] = {}
        self._pairs = [(member.value, label_of(member)) for member in members]
        for member, (value, label) in zip(members, self._pairs, strict=True):
            self._labels[value] = self._labels[member] = label

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def keys(self) -> list[Any]:
        """Values and members; that there are keys makes ``dict(choices)`` use them."""
        return list(self._labels)

    def __getitem__(self, key: Any) -> str:
        return self._labels[key]


class EnumField(CharField):
    """Text in the database, a member of `members` in Python, a choice in a form."""

    def __init__(self, *args: Any, members: type[enum.Enum], **options: Any) -> None:
        self.members = members
        self.labels = EnumChoices(members)
        options.setdefault("choices", list(self.labels))
        super().__init__(*args, **options)

    @property
    def flatchoices(self) -> EnumChoices:  # type: ignore[override]  # Django's is a list of the same pairs
        return self.labels

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "members": self.members}

    def formfield(self, *args: Any, **options: Any) -> Any:
        field = super().formfield(*args, **options)
        if field is not None:
            field.initial = self.get_prep_value(field.initial)
        return field

    def from_db_value(self, value: str | None, *_: Any) -> enum.Enum | None:
        return None if value is None else self.members(value)

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values or isinstance(value, self.members):
            return value or None
        try:
            return self.members(value)
        except ValueError:
            raise ValidationError(
                self.error_messages["invalid_choice"],
                code="invalid_choice",
                params={"value": value},
            ) from None

    def get_prep_value(self, value: Any) -> Any:
        return value.value if isinstance(value, enum.Enum) else value

    def value_from_object(self, obj: models.Model) -> Any:
        """The value for a form, whose choices are texts."""
        return self.get_prep_value(super().value_from_object(obj))

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(self.get_prep_value(value), model_instance)

    def run_validators(self, value: Any) -> None:
        super().run_validators(self.get_prep_value(value))


def label_of(member: enum.Enum) -> str:
    """How people read a member: its ``label`` if it has one, else its name in words."""
    label = getattr(member, "label", None)
    return str(label) if label else member.name.replace("_", " ").capitalize()
