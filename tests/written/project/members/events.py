"""Live data: each change of members, for those who may see the row."""

from trivet.events import live

from members.models import Member, Visit

live(Member)
live(Visit)
