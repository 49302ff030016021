"""A resource, worked out of its declaration."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, create_model
from pydantic import Field as PydanticField
from sqlalchemy.orm import object_session

from trivet.data.session import TrivetSession
from trivet.models.labels import with_article
from trivet.models.naming import plural_identifier_of
from trivet.rules.registry import RuleRegistry
from trivet_api.resource.declaring import Policies
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.parameters import Parameters
from trivet_api.resource.reading import Reader
from trivet_api.resource.seen import rules_of
from trivet_api.resource.write_options import WriteOptions


@dataclass(slots=True, eq=False)
class Resource:
    """What `resource` was told, worked out.

    Attributes:
        model: The mapped class.
        path: The address below the feature, ``/books``.
        noun: The name of one row in identifiers, ``book``.
        operations: What it can do.
        policies: Who may do it.
        parameters: The words of its query strings.
        read_schema: What is answered.
        write: How its rows are written; None if they are only read.
    """

    model: type[Any]
    path: str
    noun: str
    operations: frozenset[str]
    policies: Policies
    options: ReadOptions
    parameters: Parameters
    read_schema: type[BaseModel]
    write: WriteOptions | None = None
    _reader: Reader | None = None
    _rules: RuleRegistry | None = None

    @property
    def plural(self) -> str:
        """The name of several rows in identifiers."""
        return plural_identifier_of(self.model)

    @property
    def a_row(self) -> str:
        """One row in a sentence: ``a book``."""
        return with_article(self.noun.replace("_", " "))

    @property
    def rows(self) -> str:
        """Several rows in a sentence."""
        return self.plural.replace("_", " ")

    @property
    def page_schema(self) -> type[BaseModel]:
        """A page of a list."""
        row: Any = self.read_schema
        return create_model(
            f"{row.__name__}Page",
            __doc__=f"Some {self.rows}, in the order that was asked for.",
            items=(list[row], ...),
            next_cursor=_described(str | None, "Of the next page; null on the last one."),
            previous_cursor=_described(str | None, "Of the page before; null on the first one."),
            count=_described(int, "How many there are, if that was asked for.", default=None),
            groups=_described(
                dict[str, Any], "How many there are by each value, if asked for.", default=None
            ),
            epoch=_described(str, "Of the live channel, with `live=true`.", default=None),
            offset=_described(int, "The same: subscribe from behind it.", default=None),
        )

    @property
    def writing(self) -> WriteOptions:
        """How its rows are written, where they are."""
        assert self.write is not None, "what writes is refused where rows are only read"
        return self.write

    def reader_for(self, rules: RuleRegistry) -> Reader:
        """The reader of rows under `rules`."""
        if self._reader is None or self._rules is not rules:
            self._reader, self._rules = Reader(self.options, rules, self.parameters), rules
        return self._reader

    def version_of(self, row: Any) -> str:
        """What the entity tag of a row is made of, for whoever writes it in its session."""
        return self._represent(row)[1]

    def body_of(self, row: Any) -> bytes:
        """The JSON of a row as it is now, for whoever writes it in its session."""
        return self._represent(row)[0]

    def _represent(self, row: Any) -> tuple[bytes, str]:
        db = object_session(row)
        assert isinstance(db, TrivetSession), "the row is one that is being written"
        return self.reader_for(rules_of(db)).represent(db, db.origin.identity, row)


def _described(annotation: Any, text: str, **options: Any) -> tuple[Any, Any]:
    return annotation, PydanticField(description=text, **options)
