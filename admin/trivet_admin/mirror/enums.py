"""A field for Python enums, whose Python values are the members.

A type stores the names of its members, as SQLAlchemy does by itself, or their values, or whatever
a decorator makes of them. The choices of a form are what is stored, as text.
"""

import enum
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from trivet.models.row_keys import key_text
from trivet_admin.mirror.typed import TypedField


class EnumChoices:
    """The choices of an enum for Django: pairs to iterate over, a mapping to look up in.

    Django iterates to offer choices, and makes a dict of them to show a value. The dict must
    know the members too, the iteration must not offer them twice.
    """

    def __init__(self, members: Mapping[str, enum.Enum]) -> None:
        self._labels: dict[Any, str] = {}
        self._pairs = [(stored, label_of(member)) for stored, member in members.items()]
        for member, (stored, label) in zip(members.values(), self._pairs, strict=True):
            self._labels[stored] = self._labels[member] = label

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def keys(self) -> list[Any]:
        """Values and members; that there are keys makes ``dict(choices)`` use them."""
        return list(self._labels)

    def __getitem__(self, key: Any) -> str:
        return self._labels[key]


class EnumField(TypedField, models.CharField):  # type: ignore[type-arg]  # not generic at run time
    """What `kind` stores in the database, a member of `members` in Python, a choice in a form."""

    def __init__(self, *args: Any, members: type[enum.Enum], kind: Any, **options: Any) -> None:
        self.members = members
        self.kind = kind
        stored = self.storage()
        # By the text in a form: what is stored may be a number.
        self.stored = {str(stored.bind(member)): member for member in members}
        # In addresses and hidden fields a key is its value, or what `str` makes of it.
        self._by_text = {
            **{str(member): member for member in members},
            **{key_text([member]): member for member in members},
            **self.stored,
        }
        self.labels = EnumChoices(self.stored)
        options.setdefault("choices", list(self.labels))
        super().__init__(*args, kind=kind, **options)

    @property
    def flatchoices(self) -> EnumChoices:  # type: ignore[override]  # Django's is a list of the same pairs
        return self.labels

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "members": self.members}

    def formfield(self, *args: Any, **options: Any) -> Any:
        field = super().formfield(*args, **options)
        if field is not None:
            field.initial = self.form_value(field.initial)
        return field

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values or isinstance(value, self.members):
            return None if value in self.empty_values else value
        try:
            return self._by_text[str(value)]
        except KeyError:
            raise ValidationError(
                self.error_messages["invalid_choice"],
                code="invalid_choice",
                params={"value": value},
            ) from None

    def form_value(self, value: Any) -> Any:
        """The text of a member in a form."""
        if not isinstance(value, enum.Enum):
            return value
        return next((text for text, member in self.stored.items() if member is value), value)

    def value_from_object(self, obj: models.Model) -> Any:
        """The value for a form, whose choices are texts."""
        return self.form_value(super().value_from_object(obj))

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(self.form_value(value), model_instance)

    def run_validators(self, value: Any) -> None:
        super().run_validators(self.form_value(value))


def label_of(member: enum.Enum) -> str:
    """How people read a member: its ``label`` if it has one, else its name in words."""
    label = getattr(member, "label", None)
    return str(label) if label else member.name.replace("_", " ").capitalize()
