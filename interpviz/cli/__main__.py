"""`python -m interpviz.cli`: the same as the command `interpviz`."""

from interpviz.cli import main

main()
