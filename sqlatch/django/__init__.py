"""Django on the files in the process, and Django's routing between a leader and its followers."""
