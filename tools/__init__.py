"""Programs beside the service: on Python's standard library alone, but for the SAM CLI's own."""
