"""``python -m darkhorses``: the same as the ``darkhorses`` command."""

from darkhorses.cli import main

main()
