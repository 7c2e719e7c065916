"""What AWS calls: the query function and the reaper, and the one place where the rooms meet."""
