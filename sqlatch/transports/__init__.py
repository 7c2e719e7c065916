"""The two ways to the service: a direct invoke, and HTTP."""
