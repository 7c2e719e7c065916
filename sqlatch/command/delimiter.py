"""The delimiter of a CSV, seen by counting the cells of its first rows."""

import csv
from collections.abc import Sequence

CANDIDATES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}

LINES_MAX = 500
"""Lines that are looked at."""


class Unclear(Exception):
    """More than one delimiter fits, or one that the first line does not have; says which."""


def delimiter_of(lines: Sequence[str], *, is_whole: bool) -> str:
    """Return the delimiter that cuts all rows into as many cells as the first; a comma if none.

    If no delimiter cuts all of them alike, it is the one that cuts most: the lines that it does not
    are then named as bad. `is_whole` is false where more lines follow: the last row may be cut off.
    """
    counted = {each: _cells(lines, each, is_whole=is_whole) for each in CANDIDATES}
    in_first = {each: cells for each, cells in counted.items() if cells and cells[0] > 1}
    if not in_first:
        for each, (_first, *below) in counted.items():
            if below and below[0] > 1 and len(set(below)) == 1:
                raise Unclear(
                    f"there is one column, and the rows below it have {below[0]}, separated by"
                    f" {CANDIDATES[each]}: remove what stands above the names of the columns, or"
                    " give --delimiter"
                )
        return ","
    alike = {each: cells.count(cells[0]) / len(cells) for each, cells in in_first.items()}
    fitting = [each for each, share in alike.items() if share == 1]
    if len(fitting) > 1:
        ways = " or ".join(f"{in_first[each][0]} by {CANDIDATES[each]}" for each in fitting)
        raise Unclear(f"the columns may be {ways}: give --delimiter")
    return max(alike, key=lambda each: (alike[each], in_first[each][0]))


def _cells(lines: Sequence[str], delimiter: str, *, is_whole: bool) -> list[int]:
    """The number of cells of each row; [0] for a row that the delimiter makes no CSV of."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    counts: list[int] = []
    try:
        counts.extend(len(cells) for cells in reader if cells)
    except csv.Error:
        # A quoted cell that ends behind the lines that were read is no error.
        if is_whole or reader.line_num < len(lines):
            counts.append(0)
    return counts or [0]
