from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from aios3._config.credential_requests.login_files import LoginFile, format_time, read_login_time
from aios3.errors import ConfigurationError

MOMENT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def login(tmp_path):
    return LoginFile(tmp_path / "login.json", "SSO login", "aws sso login")


async def test_a_login_is_replaced_as_a_whole_and_private_to_the_user(login, tmp_path):
    """No other file remains beside it."""
    (tmp_path / "login.json").write_text('{"old": 1}')
    (tmp_path / "login.json").chmod(0o644)
    assert await login.read() == {"old": 1}
    await login.replace({"new": 2})
    assert await login.read() == {"new": 2}
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("login.json", 0o600)]


async def test_a_directory_that_cannot_be_written_is_a_warning(tmp_path, caplog):
    """The renewed login is good without its file; nothing of it is logged."""
    await LoginFile(tmp_path / "gone" / "login.json", "SSO login", "x").replace({"token": "hidden"})
    assert "the SSO login in" in caplog.text
    assert "hidden" not in caplog.text


async def test_a_missing_login_says_how_to_log_in(login, tmp_path):
    """And a malformed one is named."""
    with pytest.raises(ConfigurationError, match="^the SSO login does not exist: run `aws sso login`$"):
        await login.read()
    (tmp_path / "login.json").write_text(json.dumps(["hidden"]))
    with pytest.raises(ConfigurationError, match=r"^the SSO login in .*login\.json is not a JSON object$"):
        await login.read()


@pytest.mark.parametrize("text", ["2026-05-04T03:02:01Z", "2026-05-04T03:02:01UTC", "2026-05-04T05:02:01+02:00"])
def test_times_of_all_tools_are_read(text):
    """And written as the AWS CLI writes them."""
    assert read_login_time(text) == MOMENT
    assert format_time(MOMENT.astimezone(timezone(timedelta(hours=2)))) == "2026-05-04T03:02:01Z"


@pytest.mark.parametrize("value", [None, "", "soon", 5, ["x"]])
def test_what_is_no_time_is_none(value):
    assert read_login_time(value) is None
