"""The middleware of the root, each one promise. All pure ASGI, http and websocket."""

from trivet.middleware.access_log import AccessLogMiddleware
from trivet.middleware.cross_site import CrossSiteMiddleware
from trivet.middleware.delivery_bell import DeliveryBellMiddleware
from trivet.middleware.identity import IdentityMiddleware
from trivet.middleware.last_resort import LastResortMiddleware
from trivet.middleware.limits import LimitsMiddleware
from trivet.middleware.security_headers import SecurityHeadersMiddleware
from trivet.middleware.unit_of_work import UnitOfWorkMiddleware

__all__ = [
    "AccessLogMiddleware",
    "CrossSiteMiddleware",
    "DeliveryBellMiddleware",
    "IdentityMiddleware",
    "LastResortMiddleware",
    "LimitsMiddleware",
    "SecurityHeadersMiddleware",
    "UnitOfWorkMiddleware",
]
