"""Views that say which customers they see and which database answered."""

from typing import Any
from uuid import uuid4

from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from tests.django_routing.project.shop.models import Customer


def show(request: Any) -> JsonResponse:
    customers = Customer.objects.order_by("id")
    return JsonResponse({"db": customers.db, "names": [customer.name for customer in customers]})


def add(request: Any) -> JsonResponse:
    Customer.objects.create(name=request.POST["name"])
    return show(request)


def add_atomic(request: Any) -> JsonResponse:
    with transaction.atomic():
        Customer.objects.create(name=request.POST["name"])
        inside = Customer.objects.all().db
    return JsonResponse({"db": inside})


def add_raw(request: Any) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop_customer (name) VALUES (%s)", [request.POST["name"]])
    return HttpResponse()


def add_and_fail(request: Any) -> HttpResponse:
    Customer.objects.create(name=request.POST["name"])
    raise RuntimeError("after the commit")


def stream(request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(Customer.objects.all().db for _ in range(2))


async def ashow(request: Any) -> JsonResponse:
    customers = Customer.objects.order_by("id")
    return JsonResponse({"db": customers.db, "names": [c.name async for c in customers]})


async def aadd(request: Any) -> JsonResponse:
    await Customer.objects.acreate(name=request.POST["name"])
    return await ashow(request)


def sign_in(request: Any) -> HttpResponse:
    user = User.objects.create_user(str(uuid4()))
    request.session["basket"] = [1]
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def whoami(request: Any) -> JsonResponse:
    return JsonResponse({"user": request.user.get_username()})


async def awhoami(request: Any) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"user": user.get_username()})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("show", show),
    path("add", add),
    path("add_atomic", add_atomic),
    path("add_raw", add_raw),
    path("add_and_fail", add_and_fail),
    path("stream", stream),
    path("ashow", ashow),
    path("aadd", aadd),
    path("sign_in", sign_in),
    path("whoami", whoami),
    path("awhoami", awhoami),
]
