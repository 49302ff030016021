"""New features and new models: what is refused, what is written, and the revision of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Mapper

from trivet import Model, User, Versioned
from trivet.errors import Invalid
from trivet.features import Feature, load_features
from trivet.models.mapped import find_naming_feature, our_mappers
from trivet.models.nouns import plural_of
from trivet.suggestion import did_you_mean
from trivet_deploy.scaffold import names, settings_files
from trivet_deploy.scaffold.fields import (
    FieldText,
    read_fields,
    require_attributes,
    require_conditions,
)
from trivet_deploy.scaffold.models import NewModel, Referred
from trivet_deploy.scaffold.plugs import PLUGS
from trivet_deploy.scaffold.revisions import make_revision, make_revision_anew
from trivet_deploy.scaffold.source import Source
from trivet_deploy.scaffold.test_files import write_tests
from trivet_deploy.scaffold.writing import written
from trivet_settings import Settings

TAKEN = frozenset(
    {*dir(Model), *dir(Versioned), "id", "pk", "version", "objects"}
    | {"clean", "clean_fields", "delete", "full_clean", "save", "check", "refresh_from_db"}
    | {"serializable_value", "validate_unique", "validate_constraints", "date_error_message"}
    | {"bool", "dict", "dt", "float", "int", "mapped_column", "relationship", "str"}
)
"""Names that no field can have: attributes of mapped classes and of Django's models, and words
that the class itself needs."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the class, and the files in their order."""

    model: str
    paths: tuple[Path, ...]


def write_feature(
    folder: Path, settings: Settings, name: str, words: Sequence[str], model: str = ""
) -> Written:
    """Write the feature `name` with one model, whose fields are `words`, into the project in
    `folder`. Raises TrivetError, and changes nothing, if something of it could not work."""
    features = load_features(settings.features)
    if name in {each.name for each in features}:
        raise Invalid(
            "name",
            f"There is a feature {name} already. For another model in it: "
            f"`trivet new model {name} NAME {' '.join(words)}`.",
        )
    names.require_feature_name(name, folder)
    class_name = names.read_model_name(model or names.model_name_of(name))
    new, referred = _plan(name, class_name, read_fields(words), features)
    package = folder / name
    files = {package / "__init__.py": f'"""{name.replace("_", " ").capitalize()}."""\n'}
    for file, write in PLUGS.items():
        source = _source(folder, features, name)
        write(source, new)
        files[package / file] = source.render()
    files |= _tests(folder, features, new, referred)
    files |= settings_files.with_features(folder, [*settings.features, name])
    with written(files):
        made = make_revision([*settings.features, name], name, _message_of(new))
    return Written(class_name, (*files, *made))


def write_model(
    folder: Path, settings: Settings, feature: str, model: str, words: Sequence[str]
) -> Written:
    """Add a model to the feature `feature`. Raises TrivetError, and changes nothing, if something
    of it could not work."""
    features = load_features(settings.features)
    there = _find_feature(features, feature)
    class_name = names.read_model_name(model)
    known = {each.class_.__name__.lower() for each in _mappers_of(there)}
    if class_name.lower() in known:
        raise Invalid("name", f"{feature} has a model {class_name} already.")
    new, referred = _plan(feature, class_name, read_fields(words), features, is_first=False)
    files: dict[Path, str] = {}
    for file, write in PLUGS.items():
        source, path = _source(folder, features, feature), there.folder / file
        write(source, replace(new, is_first=not path.exists()))
        if not path.exists():
            files[path] = source.render()
        elif source.parts:
            files[path] = source.add_to(path)
    files |= _tests(folder, features, new, referred)
    with written(files):
        made = make_revision_anew(folder, settings.features, feature, _message_of(new))
    return Written(class_name, (*files, *made))


def _find_feature(features: Sequence[Feature], name: str) -> Feature:
    found = next((each for each in features if each.name == name and not each.only_classes), None)
    if found is None:
        hint = did_you_mean(name, [each.name for each in features])
        raise Invalid(
            "name",
            f"There is no feature {name}{hint} A new one: `trivet new feature {name} title:str`.",
        )
    return found


def _mappers_of(feature: Feature) -> list[Mapper[Any]]:
    return [each for each in our_mappers() if find_naming_feature(each.class_) == feature.name]


def _plan(
    feature: str,
    model: str,
    fields: list[FieldText],
    features: Sequence[Feature],
    *,
    is_first: bool = True,
) -> tuple[NewModel, dict[str, type[Any]]]:
    """The model with the classes that it refers to, for its code and for its tests."""
    require_attributes(fields, TAKEN)
    require_conditions(fields)
    attributes = [each.name for each in fields]
    keys = [f"{each.name}_id" for each in fields if each.type == "ref"]
    if twice := sorted(set(attributes).intersection(keys)):
        raise Invalid("field", f"{twice[0]} is the key of a reference already: leave it out.")
    classes = {
        each.name: _find_referred(each, feature, model, features)
        for each in fields
        if each.type in {"ref", "many"}
    }
    referred = {
        name: Referred(model, f"{feature}.models") if found is None else _referred(name, found)
        for name, found in classes.items()
    }
    mapped = {name: found for name, found in classes.items() if found is not None}
    return NewModel(feature, model, fields, referred, is_first), mapped


def _find_referred(
    field: FieldText, feature: str, model: str, features: Sequence[Feature]
) -> type[Any] | None:
    """The mapped class that a field refers to; None for the new one itself."""
    wanted, of = field.args[0].rpartition(".")[2], field.args[0].rpartition(".")[0]
    plain = wanted.replace("_", "").lower()
    if plain == "user" and not of:
        return User
    if plain == model.lower() and of in ("", feature):
        if field.type == "many":
            raise Invalid(
                "field",
                f"{field.name} links rows of {model} with each other, and the two sides need names "
                "that only you know: write that association by hand.",
            )
        if not field.is_nullable:
            raise Invalid(
                "field",
                f"{field.name} refers to {model} itself, so the first one could have none: "
                f"{field.name}:ref({wanted})?",
            )
        return None
    known = {
        f"{owner}.{each.class_.__name__.lower()}": each.class_
        for each in our_mappers()
        if (owner := find_naming_feature(each.class_)) in {one.name for one in features}
    }
    found = [mapped for name, mapped in known.items() if _is_meant(name, of, plain)]
    if len(found) == 1:
        return found[0]
    if found:
        places = " or ".join(f"ref({name})" for name in known if _is_meant(name, of, plain))
        raise Invalid("field", f"{field.name} could refer to several models: write {places}.")
    hint = did_you_mean(plain, [*(name.rpartition(".")[2] for name in known), "user"])
    make = f"`trivet new feature {plural_of(plain)} name:str`"
    raise Invalid(
        "field",
        f"{field.name} refers to {wanted}, and there is no such model{hint} Make it: {make}.",
    )


def _is_meant(name: str, feature: str, model: str) -> bool:
    owner, _, known = name.partition(".")
    return known == model and feature in ("", owner)


def _referred(field: str, mapped: type[Any]) -> Referred:
    mapper: Mapper[Any] = next(each for each in our_mappers() if each.class_ is mapped)
    if len(mapper.primary_key) > 1:
        raise Invalid(
            "field",
            f"{field} refers to {mapped.__name__}, whose key has several columns: write that "
            "reference by hand.",
        )
    key = mapper.get_property_by_column(mapper.primary_key[0]).key
    kind = mapper.primary_key[0].type.python_type.__name__
    return Referred(mapped.__name__, mapped.__module__, key, kind)


def _source(folder: Path, features: Sequence[Feature], name: str) -> Source:
    own = {each.package.partition(".")[0] for each in features if _lies_in(each, folder)}
    return Source(frozenset({*own, name}))


def _lies_in(feature: Feature, folder: Path) -> bool:
    return feature.folder.is_relative_to(folder)


def _tests(
    folder: Path,
    features: Sequence[Feature],
    model: NewModel,
    referred: Mapping[str, type[Any]],
) -> dict[Path, str]:
    name = model.feature if model.is_first else f"{model.feature}_{names.noun_of(model.name)}"
    path = folder / "tests" / f"test_{name}.py"
    if path.exists():
        raise Invalid("file", f"{path} is there already: rename it, and try again.")
    source = _source(folder, features, model.feature)
    write_tests(source, model, referred)
    return {path: source.render()}


def _message_of(model: NewModel) -> str:
    return plural_of(names.noun_of(model.name)).replace("_", " ")
