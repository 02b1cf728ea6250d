"""What writes: the worker's alone, and of its workers the one that holds the lease.

Every transaction that writes the market begins with ``lease.fence``. Heartbeats and the record of
job runs are no part of the market; each worker writes its own.
"""
