"""What the service and its callers share: errors, values, hints and the version.

The service imports nothing else of `sqlatch`, and its artifact carries nothing else of it.
"""
