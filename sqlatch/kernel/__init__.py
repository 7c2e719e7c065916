"""What the service and its callers share: errors, values, hints, the version, the NFS rules.

The service imports nothing else of `sqlatch`, and its artifact carries nothing else of it.
"""
