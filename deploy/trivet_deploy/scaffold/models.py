"""The class of a new model, with its enums, its columns, its relationships and the tables of those
that link many rows with many."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trivet.models.nouns import singular_of
from trivet_deploy.scaffold.fields import FieldText, member_of
from trivet_deploy.scaffold.names import noun_of
from trivet_deploy.scaffold.source import Source

MAX_IDENTIFIER = 63
"""The longest name of an index that PostgreSQL keeps."""

_TYPES = {
    "str": ("str", "String({0})", "sqlalchemy String"),
    "text": ("str", "Text", "sqlalchemy Text"),
    "int": ("int", ""),
    "bigint": ("int", "BigInteger", "sqlalchemy BigInteger"),
    "decimal": ("Decimal", "Numeric({0}, {1})", "sqlalchemy Numeric", "decimal Decimal"),
    "float": ("float", ""),
    "bool": ("bool", ""),
    "date": ("dt.date", "", "datetime"),
    "datetime": ("dt.datetime", "", "datetime"),
    "time": ("dt.time", "", "datetime"),
    "duration": ("dt.timedelta", "", "datetime"),
    "uuid": ("UUID", "", "uuid UUID"),
    "json": ("dict[str, Any]", "", "typing Any"),
}
"""The columns: the annotation, the type where that does not say it, and what they import."""


@dataclass(frozen=True, slots=True)
class Referred:
    """A class that a field refers to: its name, its module, its key and the type of that key."""

    name: str
    module: str
    key: str = "id"
    key_type: str = "int"


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model that is to be written; `referred` are the classes that its fields refer to, by name.
    `is_first`: its feature has no other yet."""

    feature: str
    name: str
    fields: Sequence[FieldText]
    referred: dict[str, Referred]
    is_first: bool = True

    @property
    def module(self) -> str:
        """The module that will have the class."""
        return f"{self.feature}.models"

    @property
    def table(self) -> str:
        """The table of its rows."""
        return f"{self.feature}_{noun_of(self.name)}"

    @property
    def columns(self) -> list[FieldText]:
        """The fields that are a column of its table."""
        return [each for each in self.fields if each.type != "many"]

    @property
    def many(self) -> list[FieldText]:
        """The fields that are rows of another table."""
        return [each for each in self.fields if each.type == "many"]

    @property
    def texts(self) -> list[FieldText]:
        """The fields with a line of text."""
        return [each for each in self.fields if each.type == "str"]

    def enum_of(self, field: FieldText) -> str:
        """The name of the enum of a field."""
        return self.name + "".join(word.capitalize() for word in field.name.split("_"))

    def write(self, source: Source) -> None:
        """Add the class to a ``models.py``."""
        source.take("sqlalchemy.orm", "Mapped", "mapped_column")
        source.take("trivet", "Model", "Versioned")
        source.take("trivet.models", "BigKey")
        for each in self.fields:
            if each.type == "enum":
                source.take("enum")
                source.parts.append(self._enum(each))
        source.parts += [self._links(each, source) for each in self.many]
        source.parts.append(self._class(source))

    def _enum(self, field: FieldText) -> str:
        members = "".join(f'\n    {member_of(each)} = "{each}"' for each in field.args)
        return f"class {self.enum_of(field)}(enum.StrEnum):{members}"

    def _links(self, field: FieldText, source: Source) -> str:
        """The association table of a field, with a key of each side. Its rows go with the row of
        either, as Django has it."""
        source.take("sqlalchemy", "Column", "ForeignKey", "Table")
        referred, noun = self.referred[field.name], noun_of(self.name)
        self._take(referred, source)
        other = noun_of(referred.name)
        other = singular_of(field.name) if other == noun else other
        return f"""{noun}_{field.name} = Table(
    "{self.table}_{field.name}",
    Model.metadata,
    Column(
        "{noun}_id",
        ForeignKey("{self.table}.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column(
        "{other}_id",
        ForeignKey({referred.name}.{referred.key}, ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)"""

    def _class(self, source: Source) -> str:
        indexes = [self._index(each, source) for each in self.fields if each.only_if]
        lines = [
            f"class {self.name}(Versioned, Model):",
            f'    __tablename__ = "{self.table}"',
            *(["    __table_args__ = (", *indexes, "    )"] if indexes else []),
            "",
            "    id: Mapped[int] = mapped_column(BigKey, primary_key=True)",
            *(f"    {self._column(each, source)}" for each in self.columns),
        ]
        if relationships := [f"    {each}" for each in self._relationships(source)]:
            lines += ["", *relationships]
        text = next((each for each in self.texts if not each.is_nullable), None)
        if text is not None:
            lines += ["", "    def __str__(self) -> str:", f"        return self.{text.name}"]
        return "\n".join(lines)

    def _index(self, field: FieldText, source: Source) -> str:
        """The index that makes a field unique among the rows of its condition."""
        assert field.only_if is not None
        source.take("sqlalchemy", "Index", "text")
        name, value = field.only_if
        other = self._column_name(next(each for each in self.fields if each.name == name))
        condition = {
            "null": f"{other} IS NULL",
            "true": f"{other} IS TRUE",
            "false": f"{other} IS FALSE",
        }.get(value, f"{other} = '{value}'")
        column = self._column_name(field)
        name = f"uq_{self.table}_{column}_if_{other}"[:MAX_IDENTIFIER]
        return f"""        Index(
            "{name}",
            "{column}",
            unique=True,
            postgresql_where=text("{condition}"),
            sqlite_where=text("{condition}"),
        ),"""

    def _column(self, field: FieldText, source: Source) -> str:
        annotation, arguments = self._type_of(field, source)
        name = self._column_name(field)
        if field.is_nullable:
            annotation += " | None"
        if field.is_unique and not field.only_if:
            arguments.append("unique=True")
        elif field.is_indexed or field.type == "ref":
            arguments.append("index=True")
        if not field.is_nullable and (default := self._default_of(field)):
            arguments.append(f"default={default}")
        line = f"{name}: Mapped[{annotation}]"
        return f"{line} = mapped_column({', '.join(arguments)})" if arguments else line

    def _column_name(self, field: FieldText) -> str:
        return f"{field.name}_id" if field.type == "ref" else field.name

    def _type_of(self, field: FieldText, source: Source) -> tuple[str, list[str]]:
        """The annotation of a column, and the arguments that say more than it does."""
        if field.type == "enum":
            return self.enum_of(field), []
        if field.type == "ref":
            return self._reference(field, source)
        annotation, argument, *imports = _TYPES[field.type]
        for each in imports:
            source.take(*each.split())
        return annotation, [argument.format(*field.args)] if argument else []

    def _reference(self, field: FieldText, source: Source) -> tuple[str, list[str]]:
        source.take("sqlalchemy", "ForeignKey")
        referred = self.referred[field.name]
        if self._is_self(referred):
            return "int", [f'ForeignKey("{self.table}.id")']
        self._take(referred, source)
        if referred.key_type == "UUID":
            source.take("uuid", "UUID")
        return referred.key_type, [f"ForeignKey({referred.name}.{referred.key})"]

    def _take(self, referred: Referred, source: Source) -> None:
        if referred.module != self.module:
            source.take("trivet" if referred.name == "User" else referred.module, referred.name)

    def _relationships(self, source: Source) -> Iterator[str]:
        found = [each for each in self.fields if each.type == "ref"]
        often = Counter(self.referred[each.name].name for each in found)
        for field in found:
            source.take("sqlalchemy.orm", "relationship")
            referred = self.referred[field.name]
            arguments = []
            if self._is_self(referred):
                arguments.append(f'remote_side="{self.name}.id"')
            if often[referred.name] > 1:
                arguments.append(f"foreign_keys={field.name}_id")
            annotation = referred.name + (" | None" if field.is_nullable else "")
            if self._is_self(referred):
                annotation = f'"{annotation}"'
            yield f"{field.name}: Mapped[{annotation}] = relationship({', '.join(arguments)})"
        for field in self.many:
            source.take("sqlalchemy.orm", "relationship")
            links = f"{noun_of(self.name)}_{field.name}"
            annotation = f"list[{self.referred[field.name].name}]"
            yield f"{field.name}: Mapped[{annotation}] = relationship(secondary={links})"

    def _default_of(self, field: FieldText) -> str:
        match field.type:
            case "bool":
                return "False"
            case "json":
                return "dict"
            case "enum":
                return f"{self.enum_of(field)}.{member_of(field.args[0])}"
            case _:
                return ""

    def _is_self(self, referred: Referred) -> bool:
        return (referred.module, referred.name) == (self.module, self.name)
