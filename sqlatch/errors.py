"""The errors that the service answers with: where callers find `sqlatch.kernel.errors`."""

from sqlatch.kernel.errors import *  # noqa: F403
