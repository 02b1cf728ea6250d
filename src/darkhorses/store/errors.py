"""What can go wrong with the database; asyncpg's errors are mapped here, once."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from darkhorses.domain.errors import DarkHorsesError


class StoreError(DarkHorsesError):
    """The database cannot do what it was asked; the message says why."""


class DatabaseUnavailableError(StoreError):
    """The database cannot be reached, or went away."""


class DatabaseBusyError(StoreError):
    """A statement ran into its time limit, or waited too long for a lock."""


class SchemaOutdatedError(StoreError):
    """The database's schema is older than this DarkHorses."""


class SchemaTooNewError(StoreError):
    """A newer DarkHorses has migrated this database."""


class LeaseLostError(StoreError):
    """Another worker leads; the write was refused and nothing was written.

    ``lease`` is the name of the lease that was lost, None where none was had.
    """

    def __init__(self, message: str, *, lease: str | None = None) -> None:
        super().__init__(message)
        self.lease = lease


class UnknownWebhookError(StoreError):
    """No webhook has this id."""


class TooManyWebhooksError(StoreError):
    """No more webhooks can be registered."""


class UnknownKeyError(StoreError):
    """No key to the API that is good has this id."""


class TooManyKeysError(StoreError):
    """No more keys to the API can be made."""


class EmbeddedServerError(StoreError):
    """The embedded PostgreSQL cannot be started or found."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what asyncpg and the network raise into the errors above; the cause is kept."""
    try:
        yield
    except (
        asyncpg.QueryCanceledError,
        asyncpg.LockNotAvailableError,
        asyncpg.DeadlockDetectedError,
        asyncpg.SerializationError,
    ) as error:
        raise DatabaseBusyError(f"the database did not answer in time: {error}") from error
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.TooManyConnectionsError,
        asyncpg.IdleInTransactionSessionTimeoutError,
        asyncpg.TransactionTimeoutError,
        asyncpg.ObjectNotInPrerequisiteStateError,  # it takes no connections at present
        asyncpg.InterfaceError,
        OSError,
    ) as error:
        raise DatabaseUnavailableError(f"the database cannot be reached: {error}") from error
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise DatabaseUnavailableError(f"the database refuses us: {error}") from error
