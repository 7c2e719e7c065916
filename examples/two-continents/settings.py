"""The site of examples/three-nodes, on the continent of its readers, in one of three forms."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "three-nodes"))

from mysite.settings import *  # noqa: F403 - the same site
from mysite.settings import INSTALLED_APPS, MIDDLEWARE

OPTIONS = {"token": os.environ["SQLATCH_TOKEN"], "timeout": 10}
LEADER = {
    "ENGINE": "sqlatch.django.remote",
    "NAME": os.environ["LEADER_URL"],
    "OPTIONS": OPTIONS,
    "CONN_MAX_AGE": None,
}
FOLLOWER = LEADER | {"NAME": os.environ["FOLLOWER_URL"]}

FORM = os.environ["FORM"]

if FORM == "leader":  # no follower: all goes across
    DATABASES = {"default": LEADER}
elif FORM == "node":  # the node beside the site sends writes on
    DATABASES = {"default": FOLLOWER}
else:  # the site sends writes across itself
    DATABASES = {"default": LEADER, "near": FOLLOWER}
    DATABASE_ROUTERS = ["sqlatch.django.routers.SessionCachedRouter"]
    FOLLOWER_DATABASES = ["near"]
    REPLICATION_POSITIONS = FORM == "positions"  # else by the lag in seconds
    INSTALLED_APPS = [*INSTALLED_APPS, "sqlatch.django"]
    MIDDLEWARE = ["sqlatch.django.middleware.ReplicationLagMiddleware", *MIDDLEWARE]
