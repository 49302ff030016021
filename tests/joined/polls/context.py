from django.conf import settings
from django.http import HttpRequest


def motto(_request: HttpRequest) -> dict[str, str]:
    return {"motto": settings.POLLS_MOTTO}
