from sqlalchemy import select

from tests.tenancy.campus.models import Academy, Enrolment, Handout, Lecture
from trivet import Identity
from trivet.rules import EVERY_TENANT, Tenants, tenant


@tenant(
    "academy",
    {
        Academy: "id",
        Enrolment: "academy_id",
        Lecture: "academy_id",
        Handout: "lecture.academy_id",
    },
    row_security=True,
)
def academies_of(actor: Identity) -> Tenants:
    if actor.is_superuser:
        return EVERY_TENANT
    return select(Enrolment.academy_id).where(Enrolment.person == actor.user_id)
