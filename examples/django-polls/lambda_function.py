"""The Lambda handler: the site behind API Gateway, and management commands by direct invocation."""

import io
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

from apig_wsgi import make_lambda_handler
from django.core.management import call_command
from mysite.wsgi import application

site = make_lambda_handler(application)


def manage(event: dict[str, Any], _context: Any) -> str:
    """Run `{"command": ["migrate"]}` and answer what it printed."""
    output = io.StringIO()
    call_command(*event["command"], stdout=output, stderr=output, no_color=True)
    return output.getvalue()
