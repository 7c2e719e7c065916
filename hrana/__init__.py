"""The libSQL door: the Hrana protocol over HTTP, with transactions that need no session."""
