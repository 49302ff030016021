"""Both classes are live."""

from tests.realtime.freight.models import Consignment, Postmark
from trivet.events import live
from trivet.identity.policy import authenticated

live(Consignment, policy=authenticated)
marks = live(Postmark, channel="marks", exclude=["text"])
