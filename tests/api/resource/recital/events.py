"""Poems are live for those who are logged in."""

from tests.api.resource.recital.models import Poem
from trivet import authenticated
from trivet.events import live

live(Poem, policy=authenticated)
