"""Settings: what the environment may say, and that every fault is named at once."""

import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from collab.limits import RoomLimits
from web.settings import ENV_PREFIX, Settings, SettingsError

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "settings.md"
_UNITS = {"KiB": 1024, "MiB": 1024**2}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(ENV_PREFIX):
            monkeypatch.delenv(name)


def faults(**options: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.read(**options)
    return caught.value.faults


def documented() -> dict[str, str]:
    """Variable and default of every row in the documentation's tables."""
    rows = re.findall(rf"^\| `{ENV_PREFIX}(\w+)` \| (.+?) \|", DOCUMENTATION.read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a setting is documented twice"
    return {name.lower(): default for name, default in rows}


def test_every_setting_is_documented_and_everything_documented_exists() -> None:
    assert set(documented()) == set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"database_url"}))
def test_the_documented_default_is_the_default(name: str) -> None:
    text = documented()[name]
    value = getattr(Settings(), name)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if text == "none":
        assert value in ((), "")
    elif text.startswith("`"):
        assert text.strip("`") == (f"{value:g}" if isinstance(value, float) else str(value).lower())
    else:
        number, unit = text.split()
        assert int(number) * _UNITS[unit] == value


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_room_limits_that_are_settings_have_the_defaults_of_the_engine() -> None:
    assert Settings().room_limits == RoomLimits()


def test_the_environment_is_read_and_options_win_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSCRIBE_PORT", "9000")
    monkeypatch.setenv("COSCRIBE_MESSAGE_BYTES_MAX", "4096")
    assert Settings.read().port == 9000
    assert Settings.read(port="9001", host=None).port == 9001
    assert Settings.read().room_limits.message_bytes_max == 4096


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSCRIBE_PORT", "")
    monkeypatch.setenv("COSCRIBE_AUTH", "")
    assert (Settings.read().port, Settings.read().auth) == (8000, "accounts")


def test_the_database_is_in_the_data_directory_unless_it_is_named(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).sqlite_path == tmp_path / "coscribe.db"
    assert Settings(database_url="sqlite+aiosqlite:////elsewhere/x.db").sqlite_path == Path("/elsewhere/x.db")
    assert Settings(database_url="postgresql+asyncpg://somebody@db/coscribe").sqlite_path is None


def test_every_fault_is_named_at_once_in_one_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSCRIBE_PORT", "eight thousand")
    monkeypatch.setenv("COSCRIBE_AUTH", "password")
    monkeypatch.setenv("COSCRIBE_UPDATES_PAGE_MAX", "0")
    monkeypatch.setenv("COSCRIBE_ALLOWED_ORIGINS", "https://app.example.com, *")
    named = [fault.partition(":")[0] for fault in faults(log_level="loud")]
    assert sorted(named) == [
        "COSCRIBE_ALLOWED_ORIGINS",
        "COSCRIBE_AUTH",
        "COSCRIBE_LOG_LEVEL",
        "COSCRIBE_PORT",
        "COSCRIBE_UPDATES_PAGE_MAX",
    ]


def test_a_fault_never_repeats_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSCRIBE_DATABASE_URL", "mysql://somebody:swordfish@db/coscribe")
    (fault,) = faults()
    assert "swordfish" not in fault
    assert "postgresql+asyncpg://" in fault


def test_the_database_url_does_not_show_in_the_settings_text() -> None:
    assert "swordfish" not in repr(Settings(database_url="postgresql+asyncpg://somebody:swordfish@db/coscribe"))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "coscribe.example.com", "127.0.0.1.example.com"])
def test_auth_none_does_not_listen_on_the_network_unless_told_so(host: str) -> None:
    (fault,) = faults(auth="none", host=host)
    assert fault.startswith("COSCRIBE_AUTH_NONE_ON_NETWORK")
    assert Settings.read(auth="none", host=host, auth_none_on_network="true").host == host
    assert Settings.read(auth="accounts", host=host).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_auth_none_listens_on_this_machine(host: str) -> None:
    assert Settings.read(auth="none", host=host).local_only


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://App.example.com",
        "HTTPS://app.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://*.example.com",
        "https://user@app.example.com",
        "ftp://app.example.com",
    ],
)
def test_an_origin_that_no_browser_would_send_is_a_fault(origin: str) -> None:
    assert len(faults(allowed_origins=origin)) == 1


def test_several_origins_are_separated_by_commas_or_spaces() -> None:
    origins = Settings.read(
        allowed_origins="https://a.example, http://b.example:8080 http://[::1]:5173"
    ).allowed_origins
    assert origins == ("https://a.example", "http://b.example:8080", "http://[::1]:5173")


def test_proxies_are_addresses_or_networks() -> None:
    assert Settings.read(trusted_proxies="127.0.0.1,10.0.0.0/8").trusted_proxies == ("127.0.0.1", "10.0.0.0/8")
    assert len(faults(trusted_proxies="10.0.0.0/8, proxy.example.com")) == 1
