"""The functions that AWS calls, and the one place where request, lease and execution meet."""
