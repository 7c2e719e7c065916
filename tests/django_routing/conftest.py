"""The project's tests are run in a process of their own: Django is configured once in each."""

collect_ignore = ["project"]
