"""What the mirror makes of mapped classes, and what it refuses to make."""

import datetime as dt
import enum
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from sqlalchemy import Column, DateTime, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.dialects.mysql import YEAR
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlmodel import Field, SQLModel

from tests.admin.stock.models import Colour, Item, Specimen
from trivet import Model
from trivet.errors import ConfigurationError
from trivet.features import Feature
from trivet.models.labels import in_words
from trivet.models.types import JsonDocument

pytestmark = pytest.mark.usefixtures("stock")


class Apart(Model):
    """Classes that the admin cannot show."""

    __abstract__ = True


class Base(Apart):
    __tablename__ = "apart_base"

    id: Mapped[int] = mapped_column(primary_key=True)


class Stranger(DeclarativeBase):
    """A library's base."""


class Strange(Stranger):
    __tablename__ = "apart_strange"
    __module__ = "library.models"

    id: Mapped[int] = mapped_column(primary_key=True)


class Aged(Apart):
    __tablename__ = "apart_aged"
    __module__ = "tests.admin.stock.models"

    id: Mapped[int] = mapped_column(primary_key=True)
    born: Mapped[dt.datetime] = mapped_column(DateTime, info={"zone": "Europe/Atlantis"})


class Child(Apart):
    __tablename__ = "apart_child"
    __module__ = "tests.admin.stock.models"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent: Mapped[int | None] = mapped_column("parent_no", ForeignKey(Aged.id))


class Grandchild(Apart):
    __tablename__ = "apart_grandchild"
    __module__ = "tests.admin.stock.models"

    id: Mapped[int] = mapped_column(primary_key=True)
    child_id: Mapped[int] = mapped_column(ForeignKey(Child.id))


class Homeless(Apart):
    __tablename__ = "apart_homeless"
    __module__ = "elsewhere.models"

    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.mark.parametrize(
    ("mapped", "words"),
    [
        (
            Strange,
            ("library.models.Strange", "on a base that no feature brings", "import Strange in"),
        ),
        (Homeless, ("Homeless", "elsewhere.models", "TRIVET_FEATURES")),
    ],
)
def test_a_class_that_cannot_be_edited_is_an_error_with_a_cure(
    mapped: type, words: tuple[str, ...]
) -> None:
    from trivet_admin import register

    with pytest.raises(ConfigurationError) as raised:
        register(mapped)(object)  # type: ignore[type-var]  # never reached
    assert [word for word in words if word not in raised.value.detail] == []


def test_a_class_that_leads_to_one_that_cannot_be_shown_is_refused_with_it_and_stays_unknown() -> (
    None
):
    """By any number of steps, and a second time as the first."""
    from django.apps import apps

    from trivet_admin import register

    words = ("Grandchild", "child_id", "Child", "parent_no", "apart_aged", "born", "Cure")
    for mapped, told in ((Grandchild, words), (Child, words[2:]), (Grandchild, words)):
        with pytest.raises(ConfigurationError) as raised:
            register(mapped)(object)  # type: ignore[type-var]  # never reached
        assert [word for word in told if word not in raised.value.detail] == []
    for name in ("Grandchild", "Child", "Aged"):
        with pytest.raises(LookupError):
            apps.get_model("stock", name)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (Column("sort", YEAR()), ("YEAR", "with_variant")),
        (Column("sort", DateTime(), info={"zone": "Europe/Trivet"}), ("Europe/Trivet", "IANA")),
        (Column("sort", DateTime(), info={"zone": 1}), ("1", "IANA")),
    ],
)
def test_a_column_that_cannot_be_shown_is_an_error_with_a_cure(
    column: Column[Any], words: tuple[str, ...]
) -> None:
    from trivet_admin.mirror.columns import make_field

    table = Table("apart_typed", MetaData(), Column("id", Integer, primary_key=True))
    table.append_column(column)
    with pytest.raises(ConfigurationError) as raised:
        make_field(table.c.sort)
    wanted = ("apart_typed", "sort", *words)
    assert [word for word in wanted if word not in raised.value.detail] == []


@pytest.mark.parametrize(("typed", "document"), [("{}", {}), ("[]", []), ('{"a": 1}', {"a": 1})])
def test_an_empty_document_is_a_value_of_a_required_column(typed: str, document: Any) -> None:
    field = make_document(nullable=False)
    form_field = field.formfield()
    assert form_field.required
    assert form_field.clean(typed) == document
    assert field.clean(document, None) == document
    for nothing in ("", "null"):
        with pytest.raises(ValidationError):
            form_field.clean(nothing)


def test_a_document_that_is_null_is_an_empty_field() -> None:
    form_field = make_document(nullable=True).formfield()
    assert form_field.prepare_value(None) == ""
    assert not form_field.has_changed(None, "")
    assert form_field.prepare_value([]) == "[]"
    assert form_field.has_changed([], "")


def make_document(*, nullable: bool) -> Any:
    from trivet_admin.mirror.columns import make_field

    table = Table(
        "apart_documents",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("document", JsonDocument, nullable=nullable),
    )
    return make_field(table.c.document)


class TestFields:
    def field(self, name: str, model: str = "Item") -> Any:
        from django.apps import apps

        return apps.get_model("stock", model)._meta.get_field(name)

    def test_words_come_from_the_mapped_class(self) -> None:
        from django.apps import apps

        assert self.field("name").help_text == "As it stands on the shelf."
        assert str(apps.get_model("stock", "Category")._meta.verbose_name_plural) == "categories"
        assert str(apps.get_model("trivet", "ApiKey")._meta.verbose_name) == "API key"

    @pytest.mark.parametrize(
        ("name", "null", "blank", "unique"),
        [
            ("name", False, False, False),
            ("sku", True, True, True),
            ("quantity", False, False, False),
            ("category", False, False, False),
            ("supplier", True, True, False),
        ],
    )
    def test_null_blank_and_unique(self, name: str, null: bool, blank: bool, unique: bool) -> None:
        field = self.field(name)
        assert (field.null, field.blank, field.unique) == (null, blank, unique)

    def test_defaults_fill_the_form(self) -> None:
        assert self.field("quantity").get_default() == 0
        assert self.field("size", "Specimen").formfield().initial == "S"
        first, second = (self.field("id", "Specimen").get_default() for _ in range(2))
        assert first != second

    def test_an_enum_is_a_choice_by_value_with_members_in_python(self) -> None:
        field = self.field("colour", "Specimen")
        assert field.choices == [("red", "Red"), ("dark-blue", "Dark blue")]
        assert field.to_python("dark-blue") is Colour.DARK_BLUE
        assert field.form_value(Colour.DARK_BLUE) == "dark-blue"
        instance = field.model(colour=Colour.DARK_BLUE)
        assert instance.get_colour_display() == "Dark blue"

    def test_an_unknown_enum_value_is_a_validation_error(self) -> None:
        from django.core.exceptions import ValidationError

        with pytest.raises(ValidationError):
            self.field("colour", "Specimen").clean("mauve", None)

    def test_properties_and_str_are_the_mapped_classes_own(self) -> None:
        from django.apps import apps

        item = apps.get_model("stock", "Item")(name="Saw", category_id="tools")
        assert (str(item), item.shelf) == ("tools/Saw", "tools/Saw")

    def test_the_system_checks_find_nothing(self) -> None:
        from django.core.checks import run_checks

        assert run_checks() == []

    def test_djangos_migrations_see_no_change(self) -> None:
        from django.core.management import call_command

        call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)

    def test_every_mirrored_class_has_permissions(self, stock: tuple[Feature, ...]) -> None:
        from django.apps import apps
        from django.contrib.auth.management import create_permissions
        from django.contrib.auth.models import Permission

        create_permissions(apps.get_app_config("stock"), verbosity=0)
        found = Permission.objects.filter(content_type__app_label="stock")
        assert found.count() == 4 * 9

    def test_a_class_that_cannot_be_mirrored_disturbs_nobody_until_it_is_registered(self) -> None:
        from django.apps import apps

        with pytest.raises(LookupError):
            apps.get_model("stock", "Aged")

    def test_a_class_is_mirrored_once(self) -> None:
        from trivet_admin.mirror.registry import mirror

        assert mirror(Item) is mirror(Item)
        assert mirror(Specimen)._meta.managed is False


class Plain(enum.Enum):
    ONE = "one"

    @property
    def label(self) -> str:
        return "Number one"


def test_an_enum_may_bring_its_own_labels() -> None:
    from trivet_admin.mirror.enums import EnumChoices

    choices = EnumChoices({"one": Plain.ONE})
    assert list(choices) == [("one", "Number one")]
    assert dict(choices)[Plain.ONE] == dict(choices)["one"] == "Number one"


def test_names_for_people_keep_their_abbreviations() -> None:
    names = ("Flight", "ApiKey", "APIKey", "FlightV2")
    assert [in_words(name) for name in names] == ["flight", "api key", "API key", "flight V2"]


def test_a_naive_datetime_never_reaches_the_database() -> None:
    from django.apps import apps

    specimen = apps.get_model("stock", "Specimen")
    naive = dt.datetime(2013, 2, 8)  # noqa: DTZ001  # that is the point
    with pytest.warns(RuntimeWarning, match="naive datetime"):
        specimen.objects.create(instant=naive)
    assert specimen.objects.get().instant == naive.replace(tzinfo=dt.UTC)


def test_text_columns_take_their_length_from_the_column() -> None:
    from trivet_admin.mirror.columns import make_field

    table = Table("apart_text", MetaData(), Column("id", Integer, primary_key=True))
    column: Column[Any] = Column("word", String(12))
    table.append_column(column)
    assert make_field(column).max_length == 12


class Spoken(DeclarativeBase):
    """A base whose classes no feature brings."""


class Represented(Spoken):
    __tablename__ = "spoken_represented"

    id: Mapped[int] = mapped_column(primary_key=True)

    def __repr__(self) -> str:
        return "<Represented>"


class Silent(Spoken):
    __tablename__ = "spoken_silent"

    id: Mapped[int] = mapped_column(primary_key=True)


class Generated(MappedAsDataclass, Spoken):
    __tablename__ = "spoken_generated"

    id: Mapped[int] = mapped_column(primary_key=True)
    secret: Mapped[str]


class Modelled(SQLModel, table=True):
    __tablename__ = "spoken_modelled"

    id: int = Field(primary_key=True)
    secret: str


class Told(Modelled):
    def __str__(self) -> str:
        return "told"


@pytest.mark.parametrize(
    ("mapped", "is_written"),
    [(Represented, True), (Told, True), (Silent, False), (Generated, False), (Modelled, False)],
)
def test_a_text_is_what_somebody_wrote_and_no_list_of_all_columns(
    mapped: type, is_written: bool
) -> None:
    from trivet_admin.mirror.texts import has_text

    assert has_text(mapped) is is_written
