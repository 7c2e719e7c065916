"""The packages of the service below a name of their own; tests/wheel has them as installed."""

import sys

import handler.service
from sqlatch import packages
from sqlatch.errors import ReadOnly


def test_a_module_is_loaded_apart_from_one_of_that_name_and_shares_the_kernel() -> None:
    apart = packages.load("handler.service")

    assert apart is not handler.service
    assert apart.__name__ == "sqlatch._service.handler.service"
    assert issubclass(packages.load("storage.translate").RecoveryNeeded, Exception)
    assert apart.ReadOnly is ReadOnly, "what callers catch is the kernel's"


def test_each_import_within_leads_to_the_packages_beside_it() -> None:
    packages.load("handler.embedded")

    loaded = [module for name, module in sys.modules.items() if name.startswith(packages.ROOT)]
    for module in loaded:
        for name, one in vars(module).items():
            first = str(getattr(one, "__module__", "")).partition(".")[0]
            assert first not in packages.NAMES, f"{module.__name__}.{name}"


def test_it_is_loaded_once() -> None:
    assert packages.load("storage.nodes") is packages.load("storage.nodes")
    assert packages.load("storage") is sys.modules["sqlatch._service.storage"]
