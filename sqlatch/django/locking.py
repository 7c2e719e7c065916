"""The names that the backend uses of `locking`, which the wheel holds as `sqlatch.locking`.

The wheel installs no top-level name but `sqlatch`, since a project may have a package `locking` of
its own. In the repository `locking` is at the root, where the service uses it too.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("sqlatch.locking") is None:
    from locking.clock import Clock
    from locking.lease import Lease, LeaseTable
    from locking.leases import MARGIN_S, Leases
    from locking.tables import DYNAMODB, open_table
else:
    from sqlatch.locking.clock import Clock
    from sqlatch.locking.lease import Lease, LeaseTable
    from sqlatch.locking.leases import MARGIN_S, Leases
    from sqlatch.locking.tables import DYNAMODB, open_table

__all__ = ["DYNAMODB", "MARGIN_S", "Clock", "Lease", "LeaseTable", "Leases", "open_table"]
