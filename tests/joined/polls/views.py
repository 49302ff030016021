"""Views of each kind: reading, writing, refusing, failing, asynchronous, and past the ORM."""

from django.contrib.auth.decorators import login_required, permission_required
from django.db import connection
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from tests.joined.live.models import Ballot
from tests.joined.polls.models import Choice, Question
from trivet_admin import actor_of, unit_session


def index(request: HttpRequest) -> HttpResponse:
    return render(request, "polls/index.html", {"questions": Question.objects.order_by("pk")})


@login_required
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "polls/detail.html", {"question": get_object_or_404(Question, pk=pk)})


@require_POST
@permission_required("polls.change_choice", raise_exception=True)
def vote(request: HttpRequest, pk: int) -> HttpResponse:
    chosen = Choice.objects.filter(question_id=pk, text=request.POST["choice"])
    chosen.update(votes=F("votes") + 1)
    return redirect("polls:detail", pk)


@require_POST
def ballot(request: HttpRequest, pk: int) -> HttpResponse:
    """Both ORMs in one transaction, with the status that the form asks for."""
    Choice.objects.filter(question_id=pk).update(votes=F("votes") + 1)
    db = unit_session(request)
    db.add(Ballot(question=pk, voter=str(actor_of(request).username)))
    db.flush()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM live_ballot")
        (count,) = cursor.fetchone()
    return HttpResponse(str(count), status=int(request.POST["status"]))


@require_POST
def refuse(_request: HttpRequest, pk: int) -> HttpResponse:
    Question.objects.filter(pk=pk).update(text="refused")
    return HttpResponse(status=409)


@require_POST
def fail(_request: HttpRequest, pk: int) -> HttpResponse:
    Question.objects.filter(pk=pk).delete()
    raise RuntimeError("the view is broken")


async def later(request: HttpRequest, pk: int) -> HttpResponse:
    question = await Question.objects.aget(pk=pk)
    if request.method == "POST":
        question.text = request.POST["text"]
        await question.asave()
    user = await request.auser()
    return HttpResponse(f"{question.text} for {user.get_username() or 'nobody'}")


def look(_request: HttpRequest, pk: int) -> HttpResponse:
    """A safe request that writes, as counters of visits do."""
    Choice.objects.filter(question_id=pk).update(votes=F("votes") + 1)
    return HttpResponse("seen")


@require_POST
def raw(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(request.POST["sql"])
    return HttpResponse("done")
