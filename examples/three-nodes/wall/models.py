"""A message on the wall, with the name of the node whose site took it."""

from django.db import models


class Message(models.Model):
    content = models.CharField(max_length=500)
    node_name = models.CharField(max_length=50)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.content
