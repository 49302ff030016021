"""The fields of a new model, read from words: ``title:str``, ``price:decimal(8,2)``.

A field is a name and a type. What a type needs to know stands in parentheses or behind a colon,
which a shell does not ask to be quoted: ``price:decimal:8,2``. Then come the marks: ``?`` or
``:null`` for a value that may be absent, ``!`` or ``:unique`` for one that no two rows share,
``:index`` for one that is searched for. ``:unique:if:returned_at=null`` says that only rows with
that value of another field share none.
"""

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass

from trivet.errors import Invalid
from trivet.models.nouns import singular_of
from trivet.suggestion import did_you_mean

TYPES = (
    *("str", "text", "int", "bigint", "decimal", "float", "bool"),
    *("date", "datetime", "time", "duration", "uuid", "json", "enum", "ref", "many"),
)
"""The types of fields."""

ARGS = {"str": ("200",), "decimal": ("12", "2")}
"""The characters of a ``str`` that says no number, and the digits of a ``decimal``: all, and those
behind the point."""
MAX_DIGITS = 1000
"""The most digits that PostgreSQL keeps."""

_ELSEWHERE = {
    **dict.fromkeys(("string", "char", "varchar", "charfield", "email", "url", "slug"), "str"),
    **dict.fromkeys(("textfield", "longtext"), "text"),
    **dict.fromkeys(("integer", "number", "smallint", "integerfield"), "int"),
    **dict.fromkeys(("biginteger", "long"), "bigint"),
    **dict.fromkeys(("numeric", "money", "decimalfield"), "decimal"),
    **dict.fromkeys(("double", "real"), "float"),
    **dict.fromkeys(("boolean", "flag"), "bool"),
    **dict.fromkeys(("timestamp", "timestamptz", "instant"), "datetime"),
    **dict.fromkeys(("timedelta", "interval"), "duration"),
    **dict.fromkeys(("jsonb", "dict", "object"), "json"),
    **dict.fromkeys(("choice", "choices"), "enum"),
    **dict.fromkeys(("references", "reference", "belongs_to", "foreignkey", "fk"), "ref"),
    **dict.fromkeys(("m2m", "manytomany", "manytomanyfield", "has_many"), "many"),
    "user": "ref(user)",
    "guid": "uuid",
}
"""What other generators and databases call a type, by what it is called here."""

_FIELD = re.compile(
    r"(?P<name>[^:()?!]+):(?P<type>[^:()?!]+)(?:\((?P<args>[^()]*)\))?(?P<rest>[?!]*(?::[^():]*)*)"
)
_CONDITION = re.compile(r":if(?::([^:]*))?")
_MARKS = {"?": "null", "!": "unique"}
_FLAGS = frozenset({"null", "unique", "index"})
_ENUM_VALUE = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FieldText:
    """A field as it was asked for.

    Attributes:
        name: The name of the attribute; of a ``ref`` or a ``many`` that of the relationship.
        type: One of `TYPES`.
        args: What the type was told, such as the digits of a decimal.
        is_nullable: Whether the value may be absent.
        is_unique: Whether no two rows share a value.
        is_indexed: Whether an index was asked for.
        only_if: The other field, and its value, of the rows among which it is unique; without it
            all of them are.
    """

    name: str
    type: str
    args: tuple[str, ...] = ()
    is_nullable: bool = False
    is_unique: bool = False
    is_indexed: bool = False
    only_if: tuple[str, str] | None = None


def read_fields(words: Sequence[str]) -> list[FieldText]:
    """The fields of `words`. Raises Invalid, with every fault and its cure."""
    found: list[FieldText] = []
    faults: list[str] = []
    for word in words:
        try:
            found.append(read_field(word))
        except Invalid as fault:
            faults.append(fault.detail)
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults += [f"{name} stands there twice: give each field a name of its own." for name in twice]
    if faults:
        raise Invalid("field", " ".join(faults))
    return found


def read_field(word: str) -> FieldText:
    """The field of one word. Raises Invalid, with the cure."""
    parts = _FIELD.fullmatch(word.strip())
    if parts is None:
        example = f"{word}:str" if word.isidentifier() else "title:str or price:decimal:8,2"
        raise Invalid("field", f"{word!r} is no field. Write it like {example}.")
    name, kind, args, rest = parts["name"], parts["type"], parts["args"], parts["rest"]
    if kind not in TYPES:
        raise Invalid("field", f"{name} has the type {kind}, which is none{_hint(kind)}")
    rest, only_if = _read_condition(name, rest)
    given, flags = _read_rest(name, rest)
    if args is not None and given is not None:
        raise Invalid("field", f"{name} says twice what its {kind} is: leave {given!r} out.")
    told = args if args is not None else given
    read = tuple(each.strip() for each in told.split(",")) if told else ()
    _require_args(name, kind, read)
    if kind == "many":
        if flags:
            raise Invalid("field", f"{name} has many rows, or none: leave {', '.join(flags)} out.")
        read = read or (singular_of(name),)
    if kind == "ref":
        read, name = read or (name.removesuffix("_id"),), name.removesuffix("_id") or name
    return FieldText(
        name,
        kind,
        read or ARGS.get(kind, ()),
        is_nullable="null" in flags,
        is_unique="unique" in flags,
        is_indexed="index" in flags,
        only_if=only_if,
    )


def _read_condition(name: str, rest: str) -> tuple[str, tuple[str, str] | None]:
    """The marks without the condition of a ``unique``, and that."""
    found = _CONDITION.search(rest)
    if found is None:
        return rest, None
    before = rest[: found.start()]
    field, is_there, value = (found[1] or "").partition("=")
    if not (is_there and field and value) or not ("!" in before or before.endswith(":unique")):
        raise Invalid(
            "field", f"{name} is unique among some rows by {name}:TYPE:unique:if:other=null."
        )
    return before + rest[found.end() :], (field, value)


def _read_rest(name: str, rest: str) -> tuple[str | None, set[str]]:
    """The argument behind a colon, if there is one, and the marks."""
    flags = {_MARKS[sign] for sign in rest if sign in _MARKS}
    argument: str | None = None
    for word in re.sub("[?!]", "", rest).split(":")[1:]:
        if word in _FLAGS:
            flags.add(word)
        elif argument is None:
            argument = word
        else:
            raise Invalid(
                "field",
                f"{name} has the mark {word!r}, which is none: null, unique and index are"
                f"{did_you_mean(word, _FLAGS)}",
            )
    return argument, flags


def _hint(kind: str) -> str:
    known = _ELSEWHERE.get(kind.lower()) or (kind.lower() if kind.lower() in TYPES else None)
    if known is not None:
        return f". Did you mean {known}?"
    hint = did_you_mean(kind, TYPES)
    return hint if hint != "." else f". The types are {', '.join(TYPES)}."


def _require_args(name: str, kind: str, args: tuple[str, ...]) -> None:
    match kind:
        case "str":
            _require_numbers(name, kind, args, "80", most=1)
            if args and int(args[0]) == 0:
                raise Invalid("field", f"{name} has no room for a character: {name}:str(80).")
        case "decimal":
            _require_numbers(name, kind, args, "8,2", most=2)
            if len(args) == 1 or (args and not int(args[1]) <= int(args[0]) <= MAX_DIGITS):
                raise Invalid(
                    "field",
                    f"{name} has the digits ({', '.join(args)}): say how many in all, and how many "
                    f"of them behind the point, {name}:decimal(8,2).",
                )
        case "enum":
            _require_values(name, args)
        case "ref" | "many":
            if len(args) > 1:
                raise Invalid("field", f"{name} refers to one model: {name}:{kind}({args[0]}).")
        case _:
            if args:
                said = ",".join(args)
                raise Invalid("field", f"{name}: {kind} takes no ({said}). Leave it out.")


def _require_numbers(
    name: str, kind: str, args: tuple[str, ...], example: str, *, most: int
) -> None:
    if len(args) > most or not all(re.fullmatch(r"0|[1-9][0-9]{0,5}", each) for each in args):
        raise Invalid(
            "field", f"{name}:{kind}({','.join(args)}) is none. Write {name}:{kind}({example})."
        )


def _require_values(name: str, values: tuple[str, ...]) -> None:
    if not values or values == ("",):
        raise Invalid("field", f"{name} needs its values: {name}:enum(draft,live).")
    for each in values:
        if not _ENUM_VALUE.fullmatch(each):
            raise Invalid(
                "field",
                f"{name} has the value {each!r}: one begins with a letter, and goes on with "
                "letters, digits, hyphens and underscores.",
            )
    members = [member_of(each) for each in values]
    if len(set(members)) < len(members):
        raise Invalid("field", f"{name} has a value twice: {', '.join(values)}.")


def member_of(value: str) -> str:
    """The name of an enum's member for a value."""
    return value.replace("-", "_").upper()


def require_conditions(fields: Sequence[FieldText]) -> None:
    """Raise Invalid, with the cure, unless what is unique among some rows names another field and
    a value that it can have."""
    known = {each.name: each for each in fields}
    for each in fields:
        if each.only_if is None:
            continue
        name, value = each.only_if
        other = known.get(name)
        if other is None or other is each:
            hint = did_you_mean(name, [one for one in known if one != each.name])
            raise Invalid(
                "field", f"{each.name} is unique if {name}, which is no other field{hint}"
            )
        if value not in (values := _values_of(other)):
            told = " or ".join(f"{name}={one}" for one in values) or "another field"
            raise Invalid("field", f"{each.name} is unique if {name}={value}: write {told}.")


def _values_of(field: FieldText) -> tuple[str, ...]:
    """The values of a field of which a condition may speak."""
    absent = ("null",) if field.is_nullable else ()
    match field.type:
        case "bool":
            return ("true", "false", *absent)
        case "enum":
            return (*field.args, *absent)
        case _:
            return absent


def require_attributes(fields: Sequence[FieldText], taken: frozenset[str]) -> None:
    """Raise Invalid, with every fault, unless the fields can be attributes of a mapped class;
    `taken` are the names that it has already."""
    faults = [sentence for each in fields if (sentence := _attribute_fault(each, taken))]
    if faults:
        raise Invalid("field", " ".join(faults))


def _attribute_fault(field: FieldText, taken: frozenset[str]) -> str:
    name = field.name
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return f"{name!r} is no name of a field: write it in small letters, like due_at."
    if keyword.iskeyword(name):
        return f"{name} is a word of Python's own: take another, such as {name}_name."
    if name in taken:
        return f"{name} is an attribute that every model has: call the field something else."
    return ""
