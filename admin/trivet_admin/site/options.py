"""The options of an admin class, by the names of the mapped class.

An author writes ``list_display = ("check",)``, as the mapped class has it. Where Django has the
attribute under another name (`trivet_admin.mirror.names`), the options are read as if they said so.
"""

from typing import Any

from django.core.exceptions import FieldDoesNotExist

from trivet_admin.mirror.shape import Shape, find_shape

_OPTIONS = (
    *("fields", "exclude", "fieldsets", "readonly_fields", "prepopulated_fields", "radio_fields"),
    *("raw_id_fields", "autocomplete_fields", "filter_horizontal", "filter_vertical"),
    *("list_display", "list_display_links", "list_editable", "list_filter", "list_select_related"),
    *("search_fields", "ordering", "sortable_by", "date_hierarchy", "fk_name", "allowed_lookups"),
)
_MARKS = "-^=@"
"""What Django lets stand before a name: an order, and a way to search."""


def take_mapped_names(admin: Any, model: type[Any]) -> None:
    """Let the options of `admin` name the attributes of the class behind `model` as it does."""
    if not isinstance(find_shape(model), Shape):
        return
    for option in _OPTIONS:
        if (value := getattr(admin, option, None)) is not None:
            read = _fieldsets if option == "fieldsets" else _translated
            translated = read(value, model)
            if translated != value:
                setattr(admin, option, translated)


def _fieldsets(value: Any, model: type[Any]) -> list[Any]:
    return [
        (title, {**options, "fields": _translated(options["fields"], model)})
        for title, options in value
    ]


def _translated(value: Any, model: type[Any]) -> Any:
    """`value` with each name as Django has it: alone, in lists of lists, or in a dict."""
    match value:
        case str():
            bare = value.lstrip(_MARKS)
            return value[: len(value) - len(bare)] + django_path(model, bare)
        case list() | tuple():
            return type(value)([_translated(each, model) for each in value])
        case dict():
            return {django_path(model, k): _translated(each, model) for k, each in value.items()}
        case _:
            return value


def django_path(model: type[Any], path: str) -> str:
    """`path`, which goes through attributes of mapped classes, by their names in Django."""
    shape = find_shape(model)
    given = shape.given if isinstance(shape, Shape) else {}
    # The longest first: a__b may be an attribute, where Django sees a path.
    known = sorted(given, key=len, reverse=True)
    first = next((k for k in known if path == k or path.startswith(f"{k}__")), None)
    if first is None:
        first = path.partition("__")[0]
    rest = path[len(first) :].removeprefix("__")
    name = given.get(first, first)
    if not rest:
        return name
    related = _related(model, name)
    return f"{name}__{rest if related is None else django_path(related, rest)}"


def _related(model: type[Any], name: str) -> Any:
    try:
        return model._meta.get_field(name).related_model
    except FieldDoesNotExist:
        return None
