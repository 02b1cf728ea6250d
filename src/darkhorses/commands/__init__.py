"""What each command takes and prints: options in, data to stdout, everything else to stderr.

True in this package: a command imports what it needs when it is called, so that ``darkhorses
version`` does not load a web framework.
"""
