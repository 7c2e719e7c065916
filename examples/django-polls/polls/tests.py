"""The polls, as Django tests them: in memory, where no lease is needed."""

from datetime import timedelta

from django.test import TestCase
from django.urls import reverse
from django.utils import timezone

from polls.models import Question


class PollTests(TestCase):
    def setUp(self) -> None:
        self.question = Question.objects.create(text="Tea or coffee?")
        self.tea = self.question.choice_set.create(text="Tea")

    def test_a_question_of_the_future_is_not_listed(self) -> None:
        Question.objects.create(text="Later?", published_at=timezone.now() + timedelta(days=1))

        page = self.client.get(reverse("polls:index"))

        self.assertContains(page, "Tea or coffee?")
        self.assertNotContains(page, "Later?")

    def test_a_vote_counts(self) -> None:
        url = reverse("polls:vote", args=[self.question.pk])

        page = self.client.post(url, {"choice": self.tea.pk}, follow=True)

        self.assertContains(page, "Tea: 1")

    def test_a_vote_for_nothing_is_refused(self) -> None:
        page = self.client.post(reverse("polls:vote", args=[self.question.pk]))

        self.assertContains(page, "You did not choose.")
