"""The polls, as Django tests them: in memory, where no lease is needed."""

import datetime

from django.test import TestCase
from django.urls import reverse
from django.utils import timezone

from polls.models import Question


def create_question(question_text: str, days: int) -> Question:
    """Return a question published that many days from now; in the past if negative."""
    pub_date = timezone.now() + datetime.timedelta(days=days)
    return Question.objects.create(question_text=question_text, pub_date=pub_date)


class QuestionModelTests(TestCase):
    def test_was_published_recently(self) -> None:
        recently = {
            days: create_question("When?", days).was_published_recently() for days in (-30, 0, 30)
        }

        assert recently == {-30: False, 0: True, 30: False}


class QuestionViewTests(TestCase):
    def test_no_questions(self) -> None:
        page = self.client.get(reverse("polls:index"))

        self.assertContains(page, "No polls are available.")
        self.assertQuerySetEqual(page.context["latest_question_list"], [])

    def test_a_question_of_the_future_is_not_shown(self) -> None:
        past = create_question("Past question.", days=-1)
        future = create_question("Future question.", days=5)

        page = self.client.get(reverse("polls:index"))

        self.assertQuerySetEqual(page.context["latest_question_list"], [past])
        detail = self.client.get(reverse("polls:detail", args=(future.id,)))
        assert detail.status_code == 404


class VoteTests(TestCase):
    def setUp(self) -> None:
        self.question = create_question("Tea or coffee?", days=0)
        self.tea = self.question.choice_set.create(choice_text="Tea")

    def test_a_vote_counts(self) -> None:
        url = reverse("polls:vote", args=(self.question.id,))

        page = self.client.post(url, {"choice": self.tea.id}, follow=True)

        self.assertContains(page, "Tea -- 1 vote")

    def test_a_vote_for_nothing_is_refused(self) -> None:
        page = self.client.post(reverse("polls:vote", args=(self.question.id,)))

        self.assertContains(page, "You didn&#x27;t select a choice.")
