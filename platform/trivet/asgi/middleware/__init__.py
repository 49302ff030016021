"""The middleware of the root, all of it pure ASGI. Each class keeps one promise."""

from trivet.asgi.middleware.access_log import AccessLogMiddleware
from trivet.asgi.middleware.cors import CorsMiddleware
from trivet.asgi.middleware.cross_site import CrossSiteMiddleware
from trivet.asgi.middleware.delivery import DeliveryMiddleware
from trivet.asgi.middleware.error_pages import ErrorPagesMiddleware
from trivet.asgi.middleware.identity import IdentityMiddleware
from trivet.asgi.middleware.last_resort import LastResortMiddleware
from trivet.asgi.middleware.limits import LimitsMiddleware
from trivet.asgi.middleware.position import PositionMiddleware
from trivet.asgi.middleware.security_headers import SecurityHeadersMiddleware
from trivet.asgi.middleware.unit_of_work import UnitOfWorkMiddleware

__all__ = [
    "AccessLogMiddleware",
    "CorsMiddleware",
    "CrossSiteMiddleware",
    "DeliveryMiddleware",
    "ErrorPagesMiddleware",
    "IdentityMiddleware",
    "LastResortMiddleware",
    "LimitsMiddleware",
    "PositionMiddleware",
    "SecurityHeadersMiddleware",
    "UnitOfWorkMiddleware",
]
