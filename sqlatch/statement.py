"""A statement as callers give it, and as it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlatch.errors import BadEvent
from sqlatch.kernel.values import Parameters, parameters_out


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL text and its values; with `parameter_sets` it runs once for each set."""

    query: str
    parameters: Parameters | None = None
    parameter_sets: Sequence[Parameters] | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of a request that say it; BadEvent if a value cannot be sent."""
        fields: dict[str, Any] = {"query": self.query}
        if self.parameters is not None:
            fields["parameters"] = parameters_out(self.parameters)
        if self.parameter_sets is not None:
            fields["parameter_sets"] = [parameters_out(one) for one in self.parameter_sets]
        return fields


def statement_of(given: "Statement | str | tuple[str, Parameters]") -> Statement:
    """A statement from the short ways to say it: a text, or a text and its parameters."""
    if isinstance(given, Statement):
        return given
    if isinstance(given, str):
        return Statement(given)
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str):  # noqa: PLR2004
        return Statement(given[0], given[1])
    raise BadEvent(
        f"a statement is a text, (text, parameters) or a Statement, not {type(given).__name__}",
        field="statements",
    )
