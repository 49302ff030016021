"""The files of a feature beside its models: API, admin, events, rules, and what becomes of a model
in each of them."""

from collections.abc import Callable, Mapping

from trivet.models.nouns import plural_of
from trivet_deploy.scaffold.models import NewModel
from trivet_deploy.scaffold.names import noun_of
from trivet_deploy.scaffold.source import Source

LISTED = 6
"""The most columns of a list in the admin."""
_LONG = frozenset({"text", "json"})


def words_of(model: NewModel) -> str:
    """What rows of a model are called in a sentence."""
    return plural_of(noun_of(model.name)).replace("_", " ")


def write_models(source: Source, model: NewModel) -> None:
    """The class."""
    model.write(source)


def write_events(source: Source, model: NewModel) -> None:
    """What is published of the rows: what changes, as the resource shows it."""
    source.docstring = (
        f"Live data: each change of {words_of(model)}, for those who may see the row."
    )
    source.are_statements = True
    source.take("trivet.events", "live")
    source.take(model.module, model.name)
    source.parts.append(f"live({model.name})")


def write_rules(source: Source, model: NewModel) -> None:
    """Who sees which rows: all whom the permission lets in, until somebody narrows it down."""
    rows = words_of(model)
    source.docstring = f"Who sees which {rows}, and which changes of them are allowed."
    source.take("trivet", "Identity")
    source.take("trivet.rules", "visible")
    source.take(model.module, model.name)
    owner = next((each.name for each in model.fields if _is_user(model, each.name)), "")
    example = f", such as\n    {model.name}.{owner}_id == actor.user_id." if owner else "."
    source.parts.append(f'''@visible({model.name})
def every_{noun_of(model.name)}(_actor: Identity) -> bool:
    """Whoever may read {rows} sees them all. To show fewer, return a condition{example}"""
    return True''')


def write_realtime(source: Source, model: NewModel) -> None:
    """The options of the feature's channels."""
    source.docstring = f"The channels of {model.feature.replace('_', ' ')}."
    if model.is_first:
        source.are_statements = True
        source.take("trivet", "staff")
        source.take("trivet_realtime", "Namespace")
        source.parts.append("namespace = Namespace(presence=True, presence_policy=staff)")


def write_api(source: Source, model: NewModel) -> None:
    """The resource: list, read, create, update, delete, many at once."""
    address = f"/api/{model.feature}/{plural_of(noun_of(model.name)).replace('_', '-')}"
    source.docstring = f"The API of {words_of(model)}, at {address}."
    source.are_statements = True
    source.take("trivet_api", "resource")
    source.take(model.module, model.name)
    expand = [each.name for each in model.fields if each.type == "ref"]
    expand += [each.name for each in model.many]
    options = f", expand={_tuple(expand)}" if expand else ""
    if model.many:
        options += f", members={_tuple([each.name for each in model.many])}"
    if model.is_first:
        source.take("fastapi", "APIRouter")
        source.parts.append("router = APIRouter()")
    source.parts.append(f"router.include_router(resource({model.name}{options}))")


def write_admin(source: Source, model: NewModel) -> None:
    """The page of the admin."""
    source.docstring = f"The pages of {words_of(model)} in the admin."
    source.take("trivet_admin", "ModelAdmin", "register")
    source.take(model.module, model.name)
    columns = [each.name for each in model.columns if each.type not in _LONG][:LISTED]
    filters = [each.name for each in model.fields if each.type in {"enum", "bool"}]
    searched = [each.name for each in model.fields if each.type in {"str", "text"}]
    options = {
        "list_display": columns or ["id"],
        "list_filter": filters,
        "search_fields": searched,
        "filter_horizontal": [each.name for each in model.many],
    }
    lines = [f"    {name} = {_tuple(names)}" for name, names in options.items() if names]
    body = "\n".join(lines)
    source.parts.append(f"@register({model.name})\nclass {model.name}Admin(ModelAdmin):\n{body}")


def _tuple(names: list[str]) -> str:
    inside = ", ".join(f'"{name}"' for name in names)
    return f"({inside},)" if len(names) == 1 else f"({inside})"


def _is_user(model: NewModel, field: str) -> bool:
    referred = model.referred.get(field)
    return referred is not None and referred.name == "User"


PLUGS: Mapping[str, Callable[[Source, NewModel], None]] = {
    "models.py": write_models,
    "events.py": write_events,
    "rules.py": write_rules,
    "api.py": write_api,
    "admin.py": write_admin,
    "realtime.py": write_realtime,
}
"""The files, and what writes a model into each."""
