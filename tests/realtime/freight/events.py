"""What is live."""

from tests.realtime.freight.models import Consignment, Parcel, Postmark
from trivet.events import live
from trivet.identity.policy import authenticated

live(Consignment, policy=authenticated)
marks = live(Postmark, channel="marks", exclude=["text"])
live(Parcel, policy=authenticated)
