"""The meaning of each setting, in a form that `trivet check` and the documents can print."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

if TYPE_CHECKING:
    from trivet_settings.model import Settings

PREFIX = "TRIVET_"


@dataclass(frozen=True, slots=True)
class About:
    """A setting's meaning, its unit, and the cure of a wrong value; part of its `Annotated`."""

    text: str
    unit: str = ""
    cure: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting, for a reader. `default` is the text to write; empty if it is required."""

    name: str
    variable: str
    text: str
    unit: str
    default: str
    required: bool
    secret: bool


def variable_of(name: str) -> str:
    """The environment variable that carries the setting `name`."""
    return PREFIX + name.upper()


def about(settings_class: "type[Settings]", name: str) -> About:
    """The `About` of the field `name`. Every field has one, which a test checks."""
    metadata = settings_class.model_fields[name].metadata
    return next(item for item in metadata if isinstance(item, About))


def describe(settings_class: "type[Settings] | None" = None) -> tuple[SettingDescription, ...]:
    """Every setting in the order in which the settings class lists them."""
    if settings_class is None:
        # Imported here because the model itself needs `About` from this module.
        from trivet_settings.model import Settings

        settings_class = Settings
    return tuple(_describe(settings_class, name) for name in settings_class.model_fields)


def _describe(settings_class: "type[Settings]", name: str) -> SettingDescription:
    field = settings_class.model_fields[name]
    meaning = about(settings_class, name)
    required = field.is_required()
    return SettingDescription(
        name=name,
        variable=variable_of(name),
        text=meaning.text,
        unit=meaning.unit,
        default="" if required else text_of(field.get_default(call_default_factory=True)),
        required=required,
        secret=meaning.secret,
    )


def text_of(value: Any) -> str:
    """A value in the form of `.env`; a secret becomes asterisks."""
    match value:
        case bool():
            return str(value).lower()
        case SecretStr():
            return str(value)
        case tuple():
            return ",".join(map(str, value))
        case str() | int() | float():
            return str(value)
        case _:
            return str(dict(value)) if value else "{}"
