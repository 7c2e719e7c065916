"""The latest questions, one of them to vote on, and how the votes stand."""

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from polls.models import Choice, Question

LATEST = 5


def index(request: HttpRequest) -> HttpResponse:
    questions = Question.objects.filter(published_at__lte=timezone.now())
    latest = questions.order_by("-published_at")[:LATEST]
    return render(request, "polls/index.html", {"questions": latest})


def detail(request: HttpRequest, question_id: int, error: str = "") -> HttpResponse:
    question = get_object_or_404(Question, pk=question_id)
    return render(request, "polls/detail.html", {"question": question, "error": error})


def results(request: HttpRequest, question_id: int) -> HttpResponse:
    question = get_object_or_404(Question, pk=question_id)
    return render(request, "polls/results.html", {"question": question})


@require_POST
def vote(request: HttpRequest, question_id: int) -> HttpResponse:
    """One UPDATE: the lease is taken for it, and given back when it is committed."""
    choices = Choice.objects.filter(question=question_id, pk=request.POST.get("choice", 0))
    if not choices.update(votes=F("votes") + 1):
        return detail(request, question_id, error="You did not choose.")
    return redirect("polls:results", question_id)
