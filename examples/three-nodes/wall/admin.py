"""The messages in the admin."""

from django.contrib import admin

from wall.models import Message


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    list_display = ("content", "node_name", "created_at")
    list_filter = ("node_name",)
    search_fields = ("content",)
