"""Every setting, from the environment and ``.env``: the one place that reads them.

A setting is a field of ``Settings``: its type and limits, its default, its variable and its help
stand together, and the README's table is checked against them.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import dotenv
import msgspec
from msgspec import Meta

from darkhorses.domain.addresses import is_address, read_origin, reads_each
from darkhorses.domain.errors import SettingError
from darkhorses.domain.redaction import Redaction, hiding_all_of

_IGNORED = {
    "SUPABASE_URL": "DATABASE_URL (the session pooler's address, port 5432)",
    "SUPABASE_SERVICE_KEY": "DATABASE_URL (it carries the database's password)",
}

_IGNORED_SECRETS = {"SUPABASE_SERVICE_KEY"}


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of the environment: its name, what it is for, and what it must look like."""

    name: str
    help: str
    expects: str
    secret: bool = False


def _setting(name: str, help_text: str, expects: str, *, secret: bool = False) -> Meta:
    return Meta(
        description=help_text, extra={"variable": name, "expects": expects, "secret": secret}
    )


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, read and checked; see ``variables`` for their help texts."""

    database_url: Annotated[
        str | None,
        _setting(
            "DATABASE_URL",
            "PostgreSQL to use; when empty, an embedded one is started and kept in the data "
            "directory",
            "postgresql://user:password@host:5432/database, with / ? # [ ] of the password "
            "percent-encoded",
            secret=True,
        ),
    ] = None
    database_replica_url: Annotated[
        str | None,
        _setting(
            "DATABASE_REPLICA_URL",
            "streaming replica of DATABASE_URL that the API asks about the past; when empty, "
            "DATABASE_URL is asked",
            "postgresql://user:password@host:5432/database, beside DATABASE_URL",
            secret=True,
        ),
    ] = None
    racing_api_username: Annotated[
        str | None, _setting("RACING_API_USERNAME", "user name at The Racing API", "text")
    ] = None
    racing_api_password: Annotated[
        str | None,
        _setting("RACING_API_PASSWORD", "password at The Racing API", "text", secret=True),
    ] = None
    racing_api_base_url: Annotated[
        str,
        Meta(pattern=r"^https?://"),
        _setting(
            "RACING_API_BASE_URL",
            "where The Racing API answers",
            "an http(s) address without user and password",
        ),
    ] = "https://api.theracingapi.com/v1"
    log_level: Annotated[
        str,
        Meta(pattern=r"^(DEBUG|INFO|WARNING|ERROR)$"),
        _setting("LOG_LEVEL", "least level that is logged", "DEBUG, INFO, WARNING or ERROR"),
    ] = "INFO"
    host: Annotated[
        str, _setting("HOST", "address that the API listens on", "an address of this machine")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=1, le=65535),
        _setting("PORT", "port that the API listens on", "a number from 1 to 65535"),
    ] = 8000
    redis_url: Annotated[
        Annotated[str, Meta(pattern=r"^(redis|rediss|valkey|valkeys)://")] | None,
        _setting(
            "REDIS_URL",
            "Redis or Valkey in which several APIs count requests together; when empty, each "
            "counts for itself",
            "redis://[:password@]host:port/0",
            secret=True,
        ),
    ] = None
    sentry_dsn: Annotated[
        str | None, _setting("SENTRY_DSN", "where errors are reported to", "https://…", secret=True)
    ] = None
    otlp_endpoint: Annotated[
        Annotated[str, Meta(pattern=r"^https?://")] | None,
        _setting(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "where traces are sent to, by OTLP over HTTP; OpenTelemetry reads its other variables",
            "an http(s) address",
        ),
    ] = None
    api_keys: Annotated[
        str,
        Meta(pattern=r"^(auto|off|required)$"),
        _setting(
            "DARKHORSES_API_KEYS",
            "whether the API wants keys; auto: not on loopback, and elsewhere as soon as one was "
            "made",
            "auto, off or required",
        ),
    ] = "auto"
    key_rate: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        _setting(
            "DARKHORSES_KEY_RATE",
            "requests a minute with one key, 0 for any number; when empty 1200, and any number on "
            "loopback",
            "a number from 0 to 1000000",
        ),
    ] = None
    address_rate: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        _setting(
            "DARKHORSES_ADDRESS_RATE",
            "requests a minute from one address without a good key, 0 for any number; when empty "
            "600, and any number on loopback",
            "a number from 0 to 1000000",
        ),
    ] = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        _setting(
            "DARKHORSES_TRUSTED_PROXIES",
            "proxies whose X-Forwarded-For is believed",
            "addresses or networks with commas between, such as 10.0.0.0/8",
        ),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        _setting(
            "DARKHORSES_CORS_ORIGINS",
            "origins whose pages may ask from a browser; none by default, * for all",
            "origins with commas between, such as https://app.example.org",
        ),
    ] = ()
    regions: Annotated[
        tuple[str, ...],
        _setting(
            "DARKHORSES_REGIONS",
            "regions whose races are collected, by the feed's codes",
            "codes with commas between, such as gb,ire",
        ),
    ] = ("gb", "ire")
    poll_interval: Annotated[
        float,
        Meta(ge=5, le=3600),
        _setting(
            "DARKHORSES_POLL_INTERVAL",
            "seconds between looks at the whole card of today and tomorrow",
            "a number of seconds from 5 to 3600",
        ),
    ] = 60.0
    racecards_per_second: Annotated[
        float,
        Meta(gt=0, le=50),
        _setting(
            "DARKHORSES_RACECARDS_PER_SECOND",
            "requests a second to racecards/pro (the feed allows 2)",
            "a number above 0, at most 50",
        ),
    ] = 2.0
    races_per_second: Annotated[
        float,
        Meta(gt=0, le=50),
        _setting(
            "DARKHORSES_RACES_PER_SECOND",
            "requests a second to single races, odds and results, each (the feed allows 5; "
            "older accounts 2)",
            "a number above 0, at most 50",
        ),
    ] = 5.0
    courses_per_second: Annotated[
        float,
        Meta(gt=0, le=50),
        _setting(
            "DARKHORSES_COURSES_PER_SECOND",
            "requests a second to courses (the feed allows 1)",
            "a number above 0, at most 50",
        ),
    ] = 1.0
    requests_per_ten_seconds: Annotated[
        int,
        Meta(ge=1, le=1000),
        _setting(
            "DARKHORSES_REQUESTS_PER_TEN_SECONDS",
            "requests in any 10 seconds over all endpoints (the feed locks an address out above "
            "100)",
            "a number from 1 to 1000",
        ),
    ] = 90
    exports_at_once: Annotated[
        int,
        Meta(ge=1, le=20),
        _setting(
            "DARKHORSES_EXPORTS_AT_ONCE",
            "exports that the API serves at a time, over a connection to the database each",
            "a number from 1 to 20",
        ),
    ] = 1
    stream_clients: Annotated[
        int,
        Meta(ge=0, le=20_000),
        _setting(
            "DARKHORSES_STREAM_CLIENTS",
            "clients that may follow streams at once, over all of one API; more are refused",
            "a number from 0 to 20000",
        ),
    ] = 1000
    pooler: Annotated[
        str,
        Meta(pattern=r"^(auto|none|session|transaction)$"),
        _setting(
            "DARKHORSES_POOLER",
            "kind of pooler in front of the database; auto takes port 6543 for a transaction "
            "pooler",
            "auto, none, session or transaction",
        ),
    ] = "auto"
    replica_longest_lag: Annotated[
        float,
        Meta(ge=2, le=86_400),
        _setting(
            "DARKHORSES_REPLICA_LONGEST_LAG",
            "seconds that the replica may lag before DATABASE_URL is asked instead",
            "a number of seconds from 2 to 86400",
        ),
    ] = 30.0
    webhook_private_targets: Annotated[
        bool,
        _setting(
            "DARKHORSES_WEBHOOK_PRIVATE_TARGETS",
            "whether webhooks may go to private and loopback addresses, and by plain http",
            "true or false",
        ),
    ] = False
    data_dir: Annotated[
        str | None,
        _setting(
            "DARKHORSES_DATA_DIR",
            "where the embedded database lives; by default /var/lib/darkhorses for root and the "
            "user's data directory otherwise",
            "an absolute path",
        ),
    ] = None
    retention_months: Annotated[
        Annotated[int, Meta(ge=1, le=1200)] | None,
        _setting(
            "DARKHORSES_RETENTION_MONTHS",
            "whole months of price changes that are kept before the present one; when empty, all "
            "of them for ever",
            "a number from 1 to 1200",
        ),
    ] = None
    retention_action: Annotated[
        str,
        Meta(pattern=r"^(detach|drop)$"),
        _setting(
            "DARKHORSES_RETENTION_ACTION",
            "what becomes of older months: detach leaves each as a table of its own, drop removes "
            "it once it stands in a file that was read back",
            "detach or drop",
        ),
    ] = "detach"
    retention_dir: Annotated[
        str | None,
        _setting(
            "DARKHORSES_RETENTION_DIR",
            "folder of the files of months that are dropped",
            "a path, wherever the worker runs",
        ),
    ] = None

    def __repr__(self) -> str:
        # Reports of errors show what functions were given.
        return "Settings(…)"


def variables() -> dict[str, Variable]:
    """Every variable by its field's name in ``Settings``."""
    hints = get_type_hints(Settings, include_extras=True)
    return {field: _variable_of(hint) for field, hint in hints.items()}


def _variable_of(hint: Any) -> Variable:
    for meta in get_args(hint)[1:]:
        if meta.extra is not None:
            return Variable(
                name=meta.extra["variable"],
                help=meta.description,
                expects=meta.extra["expects"],
                secret=meta.extra["secret"],
            )
    raise TypeError(f"a setting without a variable: {hint}")


def read_environment(directory: Path | None = None) -> dict[str, str]:
    """The environment with ``.env`` of ``directory`` beneath it; the real one wins."""
    path = (directory or Path.cwd()) / ".env"
    file = {name: value for name, value in dotenv.dotenv_values(path).items() if value is not None}
    return file | dict(os.environ)  # noqa: TID251  # the one reader of the environment


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read all settings; raises SettingError with one line for the first wrong value.

    An empty value counts as not set.
    """
    if environment is None:
        environment = read_environment()
    hide = redaction_of(environment)
    hints = get_type_hints(Settings, include_extras=True)
    values: dict[str, Any] = {}
    for field, variable in variables().items():
        text = environment.get(variable.name, "").strip()
        if text:
            values[field] = _read(variable, text, hints[field], hide)
    settings = Settings(**values)
    addresses = (
        ("database_url", True),
        ("database_replica_url", True),
        ("racing_api_base_url", False),
    )
    for field, may_have_user in addresses:
        url = getattr(settings, field)
        if url is not None and not is_address(url, may_have_user=may_have_user):
            raise _wrong(variables()[field], hide(url))
    if settings.database_replica_url is not None and settings.database_url is None:
        raise _wrong(variables()["database_replica_url"], hide(settings.database_replica_url))
    for field, read in (("trusted_proxies", ipaddress.ip_network), ("cors_origins", read_origin)):
        if not reads_each(getattr(settings, field), read):
            # As it was given: parts of it are in small letters by now, and would not be known.
            variable = variables()[field]
            raise _wrong(variable, hide(environment[variable.name]))
    return settings


def redaction_of(environment: Mapping[str, str]) -> Redaction:
    """Hides every secret of an environment, and the passwords of its addresses by themselves."""
    names = {
        variable.name for variable in variables().values() if variable.secret
    } | _IGNORED_SECRETS
    return hiding_all_of(
        {text for name in names if (text := environment.get(name, "").strip())},
        username=environment.get("RACING_API_USERNAME", "").strip(),
        password=environment.get("RACING_API_PASSWORD", "").strip(),
    )


def ignored_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of the earlier system that are set, each with what replaces it."""
    return {name: instead for name, instead in _IGNORED.items() if environment.get(name)}


def _read(variable: Variable, text: str, hint: Any, hide: Redaction) -> Any:
    raw: Any = text
    if get_args(hint)[0] == tuple[str, ...]:
        raw = [part.strip().lower() for part in text.split(",") if part.strip()]
    if variable.name == "LOG_LEVEL":
        raw = text.upper()
    try:
        value = msgspec.convert(raw, hint, strict=False)
    except msgspec.ValidationError:
        raise _wrong(variable, hide(text)) from None
    if value == ():
        raise _wrong(variable, hide(text))
    return value


def _wrong(variable: Variable, text: str) -> SettingError:
    got = "a value that is kept secret" if variable.secret else repr(text)
    return SettingError(f"{variable.name}: got {got}, expected {variable.expects}")
