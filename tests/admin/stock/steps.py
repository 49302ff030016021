"""Views that refuse, as those of well-kept Django applications do: some declare it an outcome."""

from typing import Any

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from tests.admin.stock.models import Tag
from trivet import commits_on
from trivet_admin import unit_session, views_commit_on


def open_to_all(view: Any) -> Any:
    return login_not_required(csrf_exempt(view))


def log_out(request: HttpRequest) -> HttpResponse:
    """As django-allauth's headless mode answers: nobody is logged in now."""
    logout(request)
    return JsonResponse({"is_authenticated": False}, status=401)


def begin(request: HttpRequest) -> HttpResponse:
    """The first step of a login: the password was right, now the code."""
    request.session["step"] = "code"
    return JsonResponse({"next": "code"}, status=int(request.GET.get("status", "401")))


def read_step(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"step": request.session.get("step")})


def name_twice(request: HttpRequest) -> HttpResponse:
    """Two rows of one name, of which the second is refused by the database."""
    session = unit_session(request)
    session.add(Tag(name="kept"))
    session.flush()
    session.add(Tag(name="kept"))
    session.flush()
    raise AssertionError("the database has refused")


class LogOut(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        return log_out(request)


@method_decorator([csrf_exempt, login_not_required, commits_on(401)], name="dispatch")
class DeclaredLogOut(LogOut): ...


def declared(view: Any, *statuses: int) -> Any:
    def fresh(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = view(request)
        return response

    return commits_on(*statuses)(open_to_all(fresh))


def of_somebody_else(request: HttpRequest) -> HttpResponse:
    return log_out(request)


urls: list[URLPattern] = [
    path("undeclared/logout/", open_to_all(LogOut.as_view())),
    path("undeclared/begin/", open_to_all(begin)),
    path("declared/logout/", declared(log_out, 401), name="stock_logout"),
    path("declared/class/logout/", DeclaredLogOut.as_view()),
    path("declared/begin/", declared(begin, 401, 409)),
    path("declared/twice/", declared(name_twice, 409)),
    path("step/", open_to_all(read_step)),
    *views_commit_on([path("included/logout/", open_to_all(of_somebody_else))], 401),
]
