"""The live market in memory, kept up to date from the database.

Source of truth: the database. True in this package: a market is never changed once made, it is
replaced; it holds exactly what was committed up to its revision; a wake-up only shortens the wait,
the poll by revision is what finds changes; while the database is away the last market is kept and
said to be so.
"""
