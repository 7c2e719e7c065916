"""A project's own tests: Django's TestCase, with the followers as mirrors of the leader."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

MIRRORED = """
from tests.django_routing.project.settings import *

TEST_RUNNER = "django.test.runner.DiscoverRunner"
for alias in ("follower1", "follower2"):
    DATABASES[alias]["TEST"] = {"MIRROR": "default"}
"""

TESTS = """
from django.contrib.auth.models import User
from django.db import router
from django.test import TestCase, TransactionTestCase

from sqlatch.django import lag
from tests.django_routing.project.shop.models import Customer


class Fast(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ada = Customer.objects.create(name="Ada")

    def test_what_the_test_made_is_shown(self):
        self.assertEqual(self.client.get("/show").json()["names"], ["Ada"])

    def test_what_a_request_made_is_shown(self):
        self.client.post("/add", {"name": "Bob"})
        self.assertEqual(self.client.get("/show").json()["names"], ["Ada", "Bob"])

    def test_no_callback_of_ours_is_counted(self):
        with self.captureOnCommitCallbacks() as callbacks:
            self.client.post("/add", {"name": "Bob"})
        self.assertEqual(callbacks, [])

    def test_no_query_of_ours_is_counted(self):
        with self.assertNumQueries(1):
            Customer.objects.count()

    def test_a_login(self):
        self.client.force_login(User.objects.create_user("ada"))
        self.assertEqual(self.client.get("/whoami").json()["user"], "ada")


class Committing(TransactionTestCase):
    databases = ["default", "follower1", "follower2"]

    def test_followers_are_read_and_mirror_the_leader(self):
        Customer.objects.create(name="Ada")
        answer = self.client.get("/show").json()
        self.assertIn(answer["db"], ["follower1", "follower2"])
        self.assertEqual(answer["names"], ["Ada"])
"""


def test_a_projects_own_tests_pass_under_djangos_runner(tmp_path):
    (tmp_path / "mirrored.py").write_text(MIRRORED)
    (tmp_path / "shoptests").mkdir()
    (tmp_path / "shoptests" / "__init__.py").touch()
    (tmp_path / "shoptests" / "test_shop.py").write_text(TESTS)

    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", "shoptests"],
        cwd=tmp_path,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "mirrored",
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "SHOP_DIRECTORY": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "Ran 6 tests" in run.stderr
