from pathlib import Path

import pytest

from darkhorses.domain.errors import SettingError
from darkhorses.settings import (
    Settings,
    ignored_variables,
    load_settings,
    read_environment,
    variables,
)

README = Path(__file__).parents[1] / "README.md"


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({}) == Settings()
    assert load_settings({"PORT": " "}).port == 8000


def test_values_are_read_into_their_types() -> None:
    settings = load_settings(
        {"PORT": "9000", "DARKHORSES_REGIONS": "GB, ire", "LOG_LEVEL": "debug"}
    )

    assert (settings.port, settings.regions, settings.log_level) == (9000, ("gb", "ire"), "DEBUG")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("LOG_LEVEL", "LOUD"),
        ("DARKHORSES_REGIONS", ","),
        ("DARKHORSES_POLL_INTERVAL", "1"),
        ("DARKHORSES_POOLER", "maybe"),
        ("DARKHORSES_RETENTION_MONTHS", "0"),
        ("DARKHORSES_RETENTION_ACTION", "delete"),
        ("RACING_API_BASE_URL", "api.theracingapi.com"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_value_and_expectation(
    name: str, value: str
) -> None:
    expects = {variable.name: variable.expects for variable in variables().values()}[name]

    with pytest.raises(SettingError) as refused:
        load_settings({name: value})

    assert str(refused.value) == f"{name}: got {value!r}, expected {expects}"


def test_a_wrong_secret_is_not_repeated() -> None:
    with pytest.raises(SettingError) as refused:
        load_settings({"DATABASE_URL": "mysql://me:hunter2@db/x"})

    assert "hunter2" not in str(refused.value)
    assert str(refused.value).startswith("DATABASE_URL: got a value that is kept secret, expected")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DARKHORSES_TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
        ("DARKHORSES_CORS_ORIGINS", "https://app.example.org/path"),
        ("DARKHORSES_API_KEYS", "maybe"),
        ("DARKHORSES_KEY_RATE", "-1"),
    ],
)
def test_access_that_cannot_be_read_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: got"):
        load_settings({name: value})


def test_redis_is_an_address_of_redis_or_valkey() -> None:
    assert load_settings({"REDIS_URL": "valkey://:pw@host/0"}).redis_url == "valkey://:pw@host/0"
    with pytest.raises(SettingError, match=r"^REDIS_URL: got a value that is kept secret"):
        load_settings({"REDIS_URL": "http://host"})


def test_proxies_and_origins_are_lists() -> None:
    settings = load_settings(
        {
            "DARKHORSES_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::1",
            "DARKHORSES_CORS_ORIGINS": "https://app.example.org,http://localhost:3000",
        }
    )

    assert settings.trusted_proxies == ("10.0.0.0/8", "2001:db8::1")
    assert settings.cors_origins == ("https://app.example.org", "http://localhost:3000")


@pytest.mark.parametrize("replica", ["mysql://db/x", "postgresql://me:hunter2@replica/x"])
def test_a_replica_needs_a_primary_beside_it(replica: str) -> None:
    primary = "postgresql://primary/x" if replica.startswith("mysql") else ""
    with pytest.raises(SettingError) as refused:
        load_settings({"DATABASE_URL": primary, "DATABASE_REPLICA_URL": replica})

    assert "hunter2" not in str(refused.value)
    assert str(refused.value).startswith("DATABASE_REPLICA_URL: got a value that is kept secret")


def test_a_dotenv_file_is_read_and_loses_to_the_real_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PORT=9001\nHOST=0.0.0.0\n")
    monkeypatch.setenv("PORT", "9002")

    settings = load_settings(read_environment(tmp_path))

    assert (settings.host, settings.port) == ("0.0.0.0", 9002)  # noqa: S104  # only read


def test_variables_of_the_earlier_system_are_ignored_and_told() -> None:
    ignored = ignored_variables({"SUPABASE_URL": "https://x", "PORT": "1"})

    assert list(ignored) == ["SUPABASE_URL"]
    assert "DATABASE_URL" in ignored["SUPABASE_URL"]


@pytest.mark.parametrize("field", list(variables()))
def test_every_setting_stands_in_the_readme_with_its_default_and_help(field: str) -> None:
    variable = variables()[field]
    (row,) = [r for r in README.read_text().splitlines() if r.startswith(f"| `{variable.name}` |")]

    default = getattr(Settings(), field)
    shown = ",".join(default) if isinstance(default, tuple) else default
    assert (
        "\N{EN DASH}"
        if shown in {None, ""}
        else f"`{shown:g}`"
        if isinstance(shown, float)
        else f"`{shown}`"
    ) in row
    assert variable.help in row
