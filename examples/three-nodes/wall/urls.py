"""The paths of the API."""

from django.urls import path

from wall import views

urlpatterns = [
    path("health/", views.health, name="health"),
    path("messages/", views.messages, name="messages"),
    path("messages/create/", views.create, name="create"),
    path("stats/", views.stats, name="stats"),
]
