"""`python -m sqlatch`: the command, where its script is not on the path."""

from sqlatch.command import main

main()
