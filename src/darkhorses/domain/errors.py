"""The root of every error that DarkHorses raises on purpose."""


class DarkHorsesError(Exception):
    """Something went wrong that DarkHorses can name.

    DarkHorsesError
    ├── SettingError                    a variable of the environment has a wrong value
    ├── UnreadableError                 a value of the feed cannot be understood (domain.reading)
    ├── upstream.errors.FeedError       the feed refused, failed or made no sense
    │   ├── BadCredentialsError         401: the feed does not know this user
    │   ├── PlanTooSmallError           401: the account's plan does not cover the endpoint
    │   ├── NotFoundError               404
    │   ├── RejectedError               422 and other 4xx: our request was wrong
    │   ├── ThrottledError              429
    │   ├── UnavailableError            network, timeout, 5xx
    │   │   └── CircuitOpenError        not even asked: the feed failed too often just now
    │   └── MalformedError              an answer that is not what the feed promises
    ├── worker.historical_odds.DaysUnreadError  the feed failed for some of the last days
    ├── worker.backfill.FeedDownError           the feed failed for day after day
    ├── export.asking.WrongFilterError  a filter does not apply to the table that is exported
    ├── export.formats.ParquetMissingError  the package that writes Parquet is not installed
    ├── export.files.CannotWriteError   the file of an export cannot be written
    ├── api.exports.ExportsBusyError    the API serves as many exports as it may
    ├── api.exports.StreamBrokenError   an export ended after its answer had begun
    ├── webhooks.errors.WebhookError    a message to a webhook did not arrive
    │   ├── TargetRefusedError          its address is one that nothing may be sent to
    │   └── NotDeliveredError           network, timeout, or an answer that is no success
    ├── api.app.CannotListenError       the API's address is taken or not of this machine
    ├── api.publishing.NotLoadedError   the API has not read the market yet
    ├── replay.running.NothingToReplayError  nothing is stored of the day that is to be replayed
    ├── client.errors.ClientError       a question to the API was not answered as it should
    ├── export.verifying.NotVerifiedError  a file does not hold what was exported into it
    └── store.errors.StoreError         the database
        ├── DatabaseUnavailableError    cannot be reached, or went away
        ├── DatabaseBusyError           a statement ran into its time limit or a lock
        ├── SchemaOutdatedError         migrations are to be run first
        ├── SchemaTooNewError           a newer DarkHorses has migrated this database
        ├── LeaseLostError              another worker leads: this write was refused
        ├── UnknownWebhookError         no webhook has this id
        ├── TooManyWebhooksError        no more webhooks can be registered
        ├── UnknownKeyError             no key to the API that is good has this id
        ├── TooManyKeysError            no more keys to the API can be made
        └── EmbeddedServerError         the embedded PostgreSQL cannot be started
    """


class SettingError(DarkHorsesError):
    """A variable of the environment has a wrong value; the message names it."""
