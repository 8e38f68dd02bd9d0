"""The configuration: defaults, derived addresses, the secret, and what is refused."""

import stat
from pathlib import Path

import pytest

from largesse.adapters.config import MINIMUM_SECRET_BYTES, Config, ConfigError

SECRET = "0123456789abcdef01234567"


def env(tmp_path: Path, **variables: str) -> dict[str, str]:
    return {"LARGESSE_DATA": str(tmp_path / "data"), **variables}


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config.from_env({})
    assert config.database_url is None
    assert config.data_dir == tmp_path / ".largesse"
    assert config.public_url == "http://127.0.0.1:8000"
    assert config.live_url == "http://127.0.0.1:8001"
    assert config.sandbox_url == "http://127.0.0.1:8002"
    assert config.sandbox is False


def test_reads_every_variable(tmp_path: Path) -> None:
    config = Config.from_env(
        env(
            tmp_path,
            DATABASE_URL="postgresql://u:p@db/largesse",
            LARGESSE_SECRET=SECRET,
            LARGESSE_PUBLIC_URL="https://gifts.example/",
            LARGESSE_LIVE_URL="https://live.example",
            LARGESSE_SANDBOX_URL="http://[::1]:9000",
            LARGESSE_SANDBOX="1",
        )
    )
    assert config.database_url == "postgresql://u:p@db/largesse"
    assert config.secret == SECRET
    assert config.public_url == "https://gifts.example"
    assert config.live_url == "https://live.example"
    assert config.sandbox_url == "http://[::1]:9000"
    assert config.sandbox is True


@pytest.mark.parametrize(
    ("public", "live"),
    [("http://127.0.0.1:9100", "http://127.0.0.1:9101"), ("http://[::1]:80", "http://[::1]:81")],
)
def test_other_origins_follow_the_public_port(tmp_path: Path, public: str, live: str) -> None:
    assert Config.from_env(env(tmp_path, LARGESSE_PUBLIC_URL=public)).live_url == live


def test_secret_is_generated_once_and_private(tmp_path: Path) -> None:
    first = Config.from_env(env(tmp_path))
    second = Config.from_env(env(tmp_path))
    file = tmp_path / "data" / "secret"
    assert first.secret == second.secret == file.read_text().strip()
    assert len(first.secret.encode()) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["secret"]


def test_secrets_differ_between_data_directories(tmp_path: Path) -> None:
    assert (
        Config.from_env(env(tmp_path / "a")).secret != Config.from_env(env(tmp_path / "b")).secret
    )


@pytest.mark.parametrize("secret", ["", "   ", "x" * (MINIMUM_SECRET_BYTES - 1)])
def test_short_secret_is_refused(tmp_path: Path, secret: str) -> None:
    with pytest.raises(ConfigError, match="shorter than 24 bytes"):
        Config.from_env(env(tmp_path, LARGESSE_SECRET=secret))


def test_short_secret_in_the_file_is_refused(tmp_path: Path) -> None:
    Config.from_env(env(tmp_path))
    (tmp_path / "data" / "secret").write_text("short")
    with pytest.raises(ConfigError, match="data/secret is shorter"):
        Config.from_env(env(tmp_path))


def test_public_secret_file_is_refused(tmp_path: Path) -> None:
    Config.from_env(env(tmp_path))
    (tmp_path / "data" / "secret").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Config.from_env(env(tmp_path))


def test_linked_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "other").write_text(SECRET)
    (tmp_path / "data" / "secret").symlink_to(tmp_path / "other")
    with pytest.raises(ConfigError, match="Cannot read"):
        Config.from_env(env(tmp_path))


def test_unwritable_data_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigError, match="LARGESSE_DATA"):
        Config.from_env(env(tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u:hunter2@db/x"),
        ("LARGESSE_PUBLIC_URL", "127.0.0.1:8000"),
        ("LARGESSE_PUBLIC_URL", "http://host:0"),
        ("LARGESSE_PUBLIC_URL", "http://host:99999"),
        ("LARGESSE_PUBLIC_URL", "http://user@host:80"),
        ("LARGESSE_LIVE_URL", "ws://host:8001"),
        ("LARGESSE_LIVE_URL", "http://host:8001/path"),
        ("LARGESSE_SANDBOX_URL", "http://"),
        ("LARGESSE_SANDBOX", "perhaps"),
    ],
)
def test_bad_value_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name) as refusal:
        Config.from_env(env(tmp_path, **{name: value}))
    assert "hunter2" not in str(refusal.value)


def test_live_url_is_required_when_it_cannot_be_derived(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Set LARGESSE_LIVE_URL"):
        Config.from_env(env(tmp_path, LARGESSE_PUBLIC_URL="https://gifts.example"))


def test_repr_holds_no_secret(tmp_path: Path) -> None:
    config = Config.from_env(env(tmp_path, DATABASE_URL="postgresql://u:hunter2@db/x"))
    assert config.secret not in repr(config)
    assert "hunter2" not in repr(config)
