"""Customers with tags and orders: a reverse key, a many-to-many, a cascade."""

from django.contrib import admin
from django.db import models


class Tag(models.Model):
    name = models.CharField(max_length=50)


class Customer(models.Model):
    name = models.CharField(max_length=50)
    tags = models.ManyToManyField(Tag)


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    total = models.IntegerField(default=0)


admin.site.register(Customer)
