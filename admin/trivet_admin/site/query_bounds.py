"""The bounds of what an address may ask of a list, so that no request of a viewer costs more than a
moment.

Django makes a condition of each parameter and of each word searched. No person asks for hundreds;
what is beyond the bounds is refused with 400, whatever the database could take.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from trivet.errors import Malformed
from trivet_admin.site.pages import refusal_page
from trivet_admin.site.policy import is_of_admin

SEARCH_PARAMETERS = ("q", "term")
"""Django's parameters for the search in a list, and in an autocompletion."""
SEARCH_CHARACTERS = 500
SEARCH_WORDS = 32

LIST_PARAMETERS = 100
"""The values in the address of a list; each may be a condition."""
VALUE_CHARACTERS = 2000
"""The length of one of them: enough for the keys of some hundred rows, or an order by every column
of a wide list."""

_SEARCH_TOO_LONG = Malformed(
    "search-too-long",
    f"A search may have {SEARCH_WORDS} words and {SEARCH_CHARACTERS} characters. Use fewer.",
)
_TOO_MUCH = Malformed(
    "list-asked-too-much",
    f"The address of a list may have {LIST_PARAMETERS} parameters of {VALUE_CHARACTERS} "
    "characters. Use fewer.",
)


class QueryBoundsMiddleware:
    """Refuses what is beyond the bounds, before the view reads it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponseBase | None:
        if not is_of_admin(request.path_info):
            return None
        if _searches_too_much(request):
            return refusal_page(request, _SEARCH_TOO_LONG)
        if _is_list(request) and _asks_too_much(request):
            return refusal_page(request, _TOO_MUCH)
        return None


def _searches_too_much(request: HttpRequest) -> bool:
    texts = (text for name in SEARCH_PARAMETERS for text in request.GET.getlist(name))
    return any(len(text) > SEARCH_CHARACTERS or len(text.split()) > SEARCH_WORDS for text in texts)


def _is_list(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and (match.url_name or "").endswith("_changelist")


def _asks_too_much(request: HttpRequest) -> bool:
    values = [value for _, values in request.GET.lists() for value in values]
    return len(values) > LIST_PARAMETERS or any(len(each) > VALUE_CHARACTERS for each in values)
