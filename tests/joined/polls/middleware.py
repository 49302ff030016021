from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from tests.joined.polls.models import Visit


class VisitMiddleware:
    """Writes a row before the view is called, in the transaction of an unsafe request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "POST":
            Visit.objects.create(path=request.path)
        response = self.get_response(request)
        response["X-Polls-User"] = request.user.get_username() or "nobody"
        return response


@async_only_middleware
def AwaitingMiddleware(  # noqa: N802  # as Django names middleware
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        response["X-Polls-Awaited"] = "yes"
        return response

    return middleware
