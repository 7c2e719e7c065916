"""The tables of the tests."""

import uuid

from django.db import models


class Account(models.Model):
    owner = models.CharField(max_length=40, unique=True)
    balance = models.IntegerField(default=0)


class Entry(models.Model):
    account = models.ForeignKey(Account, models.CASCADE)
    text = models.CharField(max_length=40)


class Everything(models.Model):
    """A column of each kind."""

    amount = models.DecimalField(max_digits=12, decimal_places=4)
    day = models.DateField()
    moment = models.DateTimeField()
    time = models.TimeField()
    span = models.DurationField()
    mark = models.UUIDField(default=uuid.uuid4)
    document = models.JSONField()
    content = models.BinaryField()
    number = models.BigIntegerField()
    real = models.FloatField()
    is_true = models.BooleanField()
    text = models.TextField()
    nothing = models.TextField(null=True)
