"""`python -m sqlatch.command`, where the script is not on the path."""

from sqlatch.command import main

main()
