"""Secrets that are told from everything else, and where they turn up."""

import base64
import json
import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

_USER = "canary-user"


class Canaries:
    """A value for every secret, unlike any other text."""

    def __init__(self) -> None:
        self.feed = self._new("feed")
        self.database = self._new("database")
        self.redis = self._new("redis")
        self.sentry = self._new("sentry")
        self.supabase = self._new("supabase")
        self.api_key = self._new("apikey")
        self.webhook = ""
        """The key of a webhook, once there is one."""

    @staticmethod
    def _new(name: str) -> str:
        # A slash and a quotation mark are written differently in addresses, JSON and base64.
        return f'CANARY-{name}/"{secrets.token_hex(6)}'

    def environment(self, database_url: str, feed_url: str) -> dict[str, str]:
        """All secrets as settings; the database lets anyone in, so a password does no harm."""
        return {
            "DATABASE_URL": self.with_password(database_url),
            "RACING_API_BASE_URL": feed_url,
            "RACING_API_USERNAME": _USER,
            "RACING_API_PASSWORD": self.feed,
            "REDIS_URL": f"redis://:{quote(self.redis, safe='')}@127.0.0.1:1/0",
            "SENTRY_DSN": f"http://{quote(self.sentry, safe='')}@127.0.0.1:1/1",
            "SUPABASE_SERVICE_KEY": self.supabase,
            "LOG_LEVEL": "DEBUG",
            "DARKHORSES_WEBHOOK_PRIVATE_TARGETS": "true",
        }

    def with_password(self, url: str) -> str:
        """An address of a database with the canary for its password."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{parts.username or _USER}:{quote(self.database, safe='')}@{host}"
        return urlunsplit(parts._replace(netloc=netloc))

    def found_in(self, text: str) -> list[str]:
        """The secrets that a text gives away, in whatever form."""
        return [
            name
            for name, secret in vars(self).items()
            if secret and any(form in text for form in self._forms(secret))
        ]

    def _forms(self, secret: str) -> set[str]:
        return {
            secret,
            secret.rpartition('"')[2],
            quote(secret, safe=""),
            json.dumps(secret)[1:-1],
            base64.b64encode(f"{_USER}:{secret}".encode()).decode(),
        }


async def told_by_database(url: str, canaries: Canaries) -> Mapping[str, list[str]]:
    """The tables whose rows give secrets away, beside the one that is there to keep them."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT quote_ident(relname) AS name FROM pg_class "
            "WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace"
        )
        told = {}
        for (name,) in tables:
            row = "to_jsonb(t)" + (" - 'secret' - 'previous_secret'" if name == "webhooks" else "")
            texts = await connection.fetch(f"SELECT ({row})::text FROM {name} AS t")  # noqa: S608
            if found := canaries.found_in("\n".join(text for (text,) in texts)):
                told[name] = found
    finally:
        await connection.close()
    return told
