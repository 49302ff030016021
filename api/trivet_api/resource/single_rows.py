"""The statement that brings one row by its key, and its entity tag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from trivet.data.compiled_read import CompiledRead
from trivet_api.resource.etags import digest_of, version_attribute, version_with
from trivet_api.resource.expanding import key_columns
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.parameters import Query
from trivet_api.resource.rows import RowWriter, encode
from trivet_api.resource.statements import Sight, Statements


@dataclass(frozen=True, slots=True, eq=False)
class RowStatement:
    """A statement that brings all of a row that the actor may see.

    Attributes:
        read: The statement.
        whole: Writes all of it.
        lists: The lists of members in it.
        chosen: Writes the part that was asked for, and expansions; None if that is all.
        places: Where the values of that part are.
        chosen_lists: The lists of members in that part.
        version: Where the version of the row is; None if it has none.
        hidden: The attributes that the actor does not see.
    """

    read: CompiledRead
    whole: RowWriter
    lists: tuple[str, ...]
    chosen: RowWriter | None
    places: tuple[int, ...]
    chosen_lists: tuple[str, ...]
    version: int | None
    hidden: frozenset[str]

    def body(
        self, row: Sequence[Any], lists: Mapping[str, Any], extra: Sequence[Any] = ()
    ) -> bytes:
        """The JSON of what was asked for."""
        if self.chosen is None:
            return self._whole(row, lists)
        shown = [lists[name] for name in self.chosen_lists]
        return encode(self.chosen.write([row[place] for place in self.places], [*shown, *extra]))

    def tag(self, row: Sequence[Any], lists: Mapping[str, Any], body: bytes) -> str:
        """The row's version with its members, or a digest of all of it."""
        if self.version is not None:
            return version_with(row[self.version], lists, self.hidden)
        return digest_of(body if self.chosen is None else self._whole(row, lists))

    def _whole(self, row: Sequence[Any], lists: Mapping[str, Any]) -> bytes:
        return encode(self.whole.write(row, [lists[name] for name in self.lists]))


class SingleRows:
    """The single rows of a resource."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._model = options.model
        self._key = key_columns(options.model)
        self._version = version_attribute(options.model)
        self._statements: Statements[RowStatement] = Statements()
        self._writers: dict[frozenset[str], tuple[RowWriter, tuple[str, ...]]] = {}

    def prepare(
        self, query: Query, sight: Sight, key: Sequence[Any]
    ) -> tuple[RowStatement, dict[str, Any]]:
        """The statement that brings the row with a key, and the values of its parameters."""
        shape = sight.hidden(self._model), query.fields, tuple(each.name for each in query.expand)
        made, values = self._statements.find(
            shape, sight, [self._model], lambda: self._make(query, sight)
        )
        for at, value in enumerate(key):
            values[f"k{at}"] = value
        return made, values

    def represent(
        self, instance: object, hidden: frozenset[str], lists: Mapping[str, Any]
    ) -> tuple[bytes, str]:
        """The JSON of an object with the `lists` of its members, and its version or a digest."""
        writer, names = self._writer(hidden)
        body = encode(writer.write_object(instance, [lists[name] for name in names]))
        if self._version is not None:
            return body, version_with(getattr(instance, self._version), lists, hidden)
        return body, digest_of(body)

    def _writer(self, hidden: frozenset[str]) -> tuple[RowWriter, tuple[str, ...]]:
        """What writes an object, and the lists of members behind it."""
        found = self._writers.get(hidden)
        if found is None:
            names = self._options.lists(hidden)
            found = RowWriter.of(self._options.shown(hidden, None), names), names
            self._writers[hidden] = found
        return found

    def _make(self, query: Query, sight: Sight) -> RowStatement:
        hidden = sight.hidden(self._model)
        every = self._options.shown(hidden, None)
        fields = self._options.shown(hidden, query.fields)
        columns: list[Any] = [each.attribute for each in every]
        version = None
        if self._version is not None:
            version = len(columns)
            columns.append(getattr(self._model, self._version))
        named = [column.label(f"c{at}") for at, column in enumerate(columns)]
        is_key = [
            column == bindparam(f"k{at}", type_=column.type) for at, column in enumerate(self._key)
        ]
        statement = select(*named).where(*is_key)
        if (visible := sight.restrict(self._model)) is not None:
            statement = statement.where(visible)
        lists = self._options.lists(hidden)
        expanded = [each.name for each in query.expand]
        chosen_lists = self._options.lists(hidden, query.fields, expanded)
        chosen = None
        if query.fields is not None or query.expand:
            names = [*chosen_lists, *(each.name for each in query.expand)]
            chosen = RowWriter(fields, names)
        places = tuple(every.index(each) for each in fields)
        return RowStatement(
            CompiledRead(statement),
            RowWriter.of(every, lists),
            lists,
            chosen,
            places,
            chosen_lists,
            version,
            hidden,
        )
