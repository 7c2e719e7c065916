"""The kernel that service and callers share: errors, values, hints, version, the rules of NFS.

The service imports nothing else of `sqlatch`, and its artifact carries nothing else of it.
"""
