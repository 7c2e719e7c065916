"""The DynamoDB tables. Apart from the server, which a process that is measured must not load."""

LEASE_TABLE = "leases"
FLOOR_TABLE = "floor"
DJANGO_TABLE = "django"
LOCK_TABLE = "locks"
LOG_TABLE = "log"
