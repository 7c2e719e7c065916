"""The pages of the site: the wall of messages and the admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/", include("wall.urls")),
    path("admin/", admin.site.urls),
]
