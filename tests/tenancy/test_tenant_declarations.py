"""A declaration that cannot hold keeps the application from starting, with the cure."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.platform.watched_rules import module_of
from tests.tenancy.campus.models import Academy, Enrolment, Handout, Lecture
from tests.tenancy.campus_house import identity
from trivet import Identity, User
from trivet.errors import ConfigurationError
from trivet.identity import system
from trivet.rules import EVERY_TENANT, tenant
from trivet.rules.policies import policies_of
from trivet.rules.registry import collect_rules
from trivet.rules.tenants import said_by

Rule = Callable[[Identity], Any]
ADA = identity("ada") or system("nobody")


def rule(says: Any = None) -> Rule:
    def of_actor(_actor: Identity) -> Any:
        return says

    return of_actor


async def too_late(_actor: Identity) -> None:
    """Nobody awaits it."""


FAULTS: dict[str, tuple[Rule, str]] = {
    "no such attribute": (tenant("t", {Lecture: "academy"})(rule()), "Did you mean 'academy_id'?"),
    "no such parent": (tenant("t", {Handout: "lectur.academy_id"})(rule()), "mean 'lecture'?"),
    "no such attribute of a parent": (
        tenant("t", {Handout: "lecture.academy"})(rule()),
        "names Lecture.academy, and there is none",
    ),
    "a way over many": (
        tenant("t", {Lecture: "handouts.id"})(rule()),
        "Lecture.handouts is no relationship to one parent",
    ),
    "a bad name": (tenant("The T", {Lecture: "academy_id"})(rule()), "write small letters"),
    "no class": (tenant("t", {int: "id"})(rule()), "which is no mapped class"),
    "a coroutine": (tenant("t", {Lecture: "academy_id"})(too_late), "is no plain function"),
    "a table of Django's": (
        tenant("t", {User: "id"}, row_security=True)(rule()),
        "asks for row security of User",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_declaration_that_cannot_hold_is_refused(fault: str) -> None:
    declared, told = FAULTS[fault]
    with pytest.raises(ConfigurationError) as caught:
        collect_rules([module_of(declared=declared)])
    assert told in caught.value.detail


def test_two_rules_of_one_name_are_refused() -> None:
    one = tenant("t", {Lecture: "academy_id"})(rule())
    other = tenant("t", {Enrolment: "academy_id"})(rule())

    with pytest.raises(ConfigurationError, match="both about tenants called 't'"):
        collect_rules([module_of(one=one, other=other)])


def test_another_feature_adds_its_classes_to_the_same_rule() -> None:
    one = tenant("t", {Lecture: "academy_id"})(rule(1))
    module_of(again=tenant("t", {Enrolment: "academy_id"})(one))

    rules = collect_rules([module_of(one=one), module_of(one=one)])

    assert [each.model for each in rules.tenants.declared] == [Lecture, Enrolment]


def test_of_two_rules_about_one_table_both_must_hold() -> None:
    one = tenant("academy", {Lecture: "academy_id"}, row_security=True)(rule(1))
    other = tenant("theme", {Lecture: "title"}, row_security=True)(rule("x"))
    rules = collect_rules([module_of(one=one, other=other)])

    seen = rules.visible_condition(Lecture, ADA)
    policy = policies_of(rules.tenants.secured)["campus_lecture"]

    assert str(seen).count(" = ") == 2
    assert [part.count("current_setting") for part in policy.using.split(" AND ")] == [2, 2]
    assert "'academy='" in policy.using
    assert "'theme='" in policy.using


SAID: list[tuple[Any, Any]] = [
    (None, ()),
    (7, (7,)),
    ("north", ("north",)),
    (UUID(int=1), (UUID(int=1),)),
    ([7, 8, 7], (7, 8)),
    (set[int](), ()),
    (EVERY_TENANT, EVERY_TENANT),
]


@pytest.mark.parametrize(("says", "means"), SAID, ids=[str(says) for says, _ in SAID])
def test_a_rule_says_one_tenant_or_several(says: Any, means: Any) -> None:
    assert said_by(rule(says), ADA) == means


def test_the_products_own_work_has_every_tenant_and_is_not_asked() -> None:
    assert said_by(rule(7), system("import")) is EVERY_TENANT


WRONG = [True, 1.5, [None], object(), select(Academy.id, Academy.name)]


@pytest.mark.parametrize("says", WRONG, ids=[type(each).__name__ for each in WRONG])
def test_what_is_no_tenant_is_refused_with_the_name_of_the_rule(says: Any) -> None:
    with pytest.raises(ConfigurationError, match="of_actor"):
        said_by(rule(says), ADA)
