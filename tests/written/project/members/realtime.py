"""The channels of members."""

from trivet import staff
from trivet_realtime import Namespace

namespace = Namespace(presence=True, presence_policy=staff)
