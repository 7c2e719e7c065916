"""The local server: HTTP in front of processes, each of which is an instance of the service."""
