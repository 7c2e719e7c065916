"""The hint of an error message: the known name that was probably meant."""

from collections.abc import Iterable

LIKENESS_MIN = 0.7
NAMES_MAX = 1_000
NAMES_COMPARED_MAX = 200
NAME_CHARACTERS_MAX = 40
"""Comparing two names takes time that grows with their product: all together 50 ms at worst."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?`, where X is the known name most like this one; "" if none is."""
    from difflib import get_close_matches

    if len(name) > NAME_CHARACTERS_MAX:
        return ""
    candidates = {each.lower(): each for each in known if len(each) <= NAME_CHARACTERS_MAX}
    candidates.pop(name.lower(), None)
    of_like_length = sorted(candidates, key=lambda each: (abs(len(each) - len(name)), each))
    nearest = get_close_matches(
        name.lower(), of_like_length[:NAMES_COMPARED_MAX], n=1, cutoff=LIKENESS_MIN
    )
    return f"; did you mean {candidates[nearest[0]]}?" if nearest else ""
