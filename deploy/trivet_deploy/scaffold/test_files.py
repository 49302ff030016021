"""The tests of a new model: a row is added, read, changed, removed and announced, and kept from
those who may not see it."""

from collections.abc import Mapping
from string import Template
from typing import Any

from trivet.models.nouns import plural_of
from trivet_deploy.scaffold.fields import FieldText
from trivet_deploy.scaffold.models import NewModel
from trivet_deploy.scaffold.names import noun_of
from trivet_deploy.scaffold.plugs import words_of
from trivet_deploy.scaffold.samples import json_of, row_of
from trivet_deploy.scaffold.source import Source

_CONSTANTS = """$PATH = "$address"
EVERY = [f"$feature.{action}_$model" for action in ("view", "add", "change", "delete")]"""

_ADD = '''def add(db: Session, row: Any) -> Any:
    """Store a row, for others to refer to; its key."""
    db.add(row)
    db.flush()
    return row.id'''

_NEW = '''def new_$noun($trivet: Application) -> dict[str, Any]:
    """What a client sends for a new one."""
    return $values'''

_LIFECYCLE = """def test_one_is_added_read_changed_and_removed(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("ada", permissions=EVERY)) as client:
        added = client.post($PATH, json=new_$noun(trivet))
        assert added.status_code == 201, added.text
        address = f"{$PATH}/{added.json()['id']}"
        assert client.get(address).json() == added.json()
        assert client.get($PATH).json()["items"] == [added.json()]
$change        assert client.delete(address).status_code == 204
        assert client.get(address).status_code == 404
    kinds = [each.kind for each in trivet.audited("$table")]
    assert kinds == [$kinds]"""

_CHANGE = """        changed = client.patch(address, json={"$field": "Another"})
        assert changed.json()["$field"] == "Another"
"""

_ANNOUNCED = '''def test_a_new_one_is_announced_to_who_may_see_it(trivet: Application) -> None:
    ada = trivet.make_user("ada", permissions=EVERY)
    with trivet.client(user=ada) as client, trivet.socket(user=ada) as socket:
        socket.subscribe("$channel")
        client.post($PATH, json=new_$noun(trivet))
        assert socket.next_publication()["kind"] == "insert"'''

_KEPT = """def test_without_the_permission_nobody_reads_or_adds(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("bob")) as client:
        assert client.get($PATH).status_code == 403
        assert client.post($PATH, json=new_$noun(trivet)).status_code == 403"""


def write_tests(source: Source, model: NewModel, referred: Mapping[str, type[Any]]) -> None:
    """The tests; `referred` are the mapped classes of its ``ref`` fields, by their names."""
    rows = plural_of(noun_of(model.name))
    values = _values(source, model, referred)
    text = next((each.name for each in model.texts), None)
    kinds = ["insert", "update", "delete"] if text else ["insert", "delete"]
    words = {
        "PATH": rows.upper(),
        "address": f"/api/{model.feature}/{rows.replace('_', '-')}",
        "change": Template(_CHANGE).substitute(field=text) if text else "",
        "channel": f"{model.feature}:{rows.replace('_', '-')}",
        "feature": model.feature,
        "kinds": ", ".join(f'"{kind}"' for kind in kinds),
        "model": model.name.lower(),
        "noun": noun_of(model.name),
        "table": model.table,
        "trivet": "trivet" if "trivet." in values else "_trivet",
        "values": values,
    }
    source.docstring = f"The {words_of(model)}: who may do what with them, and who hears of it."
    source.take("typing", "Any")
    source.take("trivet.testing", "Application")
    parts = [_CONSTANTS, _NEW, _LIFECYCLE, _ANNOUNCED, _KEPT]
    if "trivet.run(add," in values:
        source.take("sqlalchemy.orm", "Session")
        parts.insert(1, _ADD)
    source.parts += [Template(each).substitute(words) for each in parts]


def _values(source: Source, model: NewModel, referred: Mapping[str, type[Any]]) -> str:
    """A literal of the body of a new row, with the fields that it needs."""
    lines, number = [], 0
    for each in (field for field in model.fields if not field.is_nullable):
        number += each.type in {"ref", "many"}
        if each.type == "many":
            lines.append(f'"{each.name}": [{_key_of(each, source, model, referred, number)}]')
        elif each.type != "ref":
            lines.append(f'"{each.name}": {json_of(each)}')
        else:
            lines.append(f'"{each.name}_id": {_key_of(each, source, model, referred, number)}')
    inside = "".join(f"        {line},\n" for line in lines)
    return f"{{\n{inside}    }}" if lines else "{}"


def _key_of(
    field: FieldText,
    source: Source,
    model: NewModel,
    referred: Mapping[str, type[Any]],
    number: int,
) -> str:
    """An expression for the key of a new row to which a field refers, the `number`th of a test."""
    if model.referred[field.name].name == "User":
        return f'trivet.make_user("{field.name}").id'
    return f"trivet.run(add, {row_of(referred[field.name], source, number)})"
