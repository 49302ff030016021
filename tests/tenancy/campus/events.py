from tests.tenancy.campus.models import Handout, Lecture
from trivet import public
from trivet.events import live

live(Lecture, policy=public)
live(Handout, policy=public)
