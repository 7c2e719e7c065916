"""What the tests keep in their database."""

from django.db import models


class Account(models.Model):
    owner = models.CharField(max_length=40, unique=True)
    balance = models.IntegerField(default=0)


class Entry(models.Model):
    account = models.ForeignKey(Account, models.CASCADE)
    text = models.CharField(max_length=40)
