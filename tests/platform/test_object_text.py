"""An object is shown by its class and key, in every state that it can be in, and nothing is read
for it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import ForeignKey, String, create_engine, event
from sqlalchemy.orm import Mapped, Session, mapped_column

from trivet import Model, User


class Rack(Model):
    __tablename__ = "test_text_rack"

    number: Mapped[int] = mapped_column("id", primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Slot(Model):
    __tablename__ = "test_text_slot"

    rack_number: Mapped[int] = mapped_column(ForeignKey(Rack.number), primary_key=True)
    place: Mapped[str] = mapped_column(String(9), primary_key=True)


class Voucher(Model):
    """Who knows its key has it."""

    __tablename__ = "test_text_voucher"

    code: Mapped[str] = mapped_column(String(9), primary_key=True, info={"secret": True})


class Named(Model):
    __abstract__ = True


@pytest.fixture
def db() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Model.metadata.create_all(engine, [each.__table__ for each in (Rack, Slot, Voucher)])  # type: ignore[misc]
    with Session(engine) as session:
        yield session
    engine.dispose()


def test_an_object_is_shown_by_its_class_and_key_in_every_state(db: Session) -> None:
    rack, slot = Rack(name="low"), Slot(rack_number=1, place="a")
    assert repr(rack) == str(rack) == "<Rack number=None>"
    db.add_all([rack, slot])
    db.flush()
    assert f"{[rack, slot]}" == "[<Rack number=1>, <Slot rack_number=1 place='a'>]"

    db.commit()
    read: list[str] = []
    event.listen(db.get_bind(), "before_cursor_execute", lambda *given: read.append(given[2]))
    assert repr(rack) == "<Rack number=1>"
    db.expunge(rack)
    assert (repr(rack), read) == ("<Rack number=1>", [])

    db.delete(slot)
    db.commit()
    assert repr(slot) == "<Slot rack_number=1 place='a'>"


def test_what_no_constructor_has_seen_is_shown() -> None:
    assert repr(Rack.__new__(Rack)) == "<Rack number=None>"
    assert repr(Named()) == "<Named>"
    assert repr(User.__new__(User)) == "<User id=None>"


def test_a_key_that_is_secret_is_not_told() -> None:
    assert repr(Voucher(code="X7-99")) == "<Voucher code=…>"
