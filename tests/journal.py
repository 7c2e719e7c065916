"""A rollback journal, seen from outside."""

JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""How a journal begins that would be played back; zeros once its transaction has ended."""
