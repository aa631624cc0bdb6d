"""Secrets stay where they are: not in reprs, errors, notes or logs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import traceback

import pytest

from aios3 import Credentials, CredentialsError, Observer, ResponseError, RetryPolicy, S3StorageDriver, StorageError
from aios3._config.credentials.static_keys import StaticCredentials
from aios3.credential_providers import AssumeRoleCredentials, RefreshingCredentials
from aios3.testing import Fault

SECRET = "very-secret-access-key"
TOKEN = "very-secret-session-token"
CUSTOMER_KEY = b"very-secret-customer-key-32bytes"
SIGNATURE = "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
ECHO = f"authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/x, Signature={SIGNATURE} x-amz-security-token: {TOKEN}"
"""What a proxy says that shows the request it got."""
KEYS = Credentials("AKIDEXAMPLE", SECRET, TOKEN)


def all_text(error: BaseException) -> str:
    """Return everything that a traceback would print, chained errors and notes included, and all their reprs."""
    text = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        text += repr(seen) + repr(seen.args)
        seen = seen.__cause__ or seen.__context__
    return text


def assert_silent(text: str) -> None:
    """Neither secret nor token nor signature is in it, nor the secret in base64."""
    for word in ("very-secret", SIGNATURE, "dmVyeS1zZWNyZXQ"):
        assert word not in text, f"{word} in {text}"


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that is logged, at the lowest level, by everybody."""
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio", "aios3"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


async def test_reprs_hide_them(server, make_driver):
    driver = make_driver(credentials=KEYS)
    with pytest.raises(StorageError):
        await driver.get_object("bucket", "key")
    engine = driver._engine
    assert_silent(f"{KEYS!r} {KEYS} {driver!r} {engine!r} {engine.client!r} {vars(driver)!r} {vars(engine)!r}")
    with pytest.raises(StorageError):
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write(b"x")
            assert_silent(f"{upload!r} {vars(upload)!r} {vars(upload._upload)!r}")


@pytest.mark.parametrize("size", [10, 5000])
async def test_errors_and_logs_hide_them(server, make_driver, logs, size):
    asyncio.get_running_loop().set_debug(True)
    driver = make_driver(credentials=KEYS)
    with pytest.raises(ResponseError) as caught:
        await driver.upload_object_via_stream(bytes(size), "bucket", "key")
    assert_silent(all_text(caught.value) + logs.text)


@pytest.mark.parametrize("kind", ["drop_before", "drop_mid_body", "drop_after", "raw", "garbage_200", "answer"])
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload"])
async def test_failures_of_every_kind_hide_them(server, make_driver, logs, kind, operation):
    server.check_signatures = False
    server.faults.add(Fault(kind, operation, times=100, body=ECHO.encode() + b"\r\n\r\n"))
    driver = make_driver(credentials=KEYS, retry=RetryPolicy(max_attempts=2, base_delay=0, throttle_base_delay=0))
    size = 10 if operation == "PutObject" else 5000
    try:
        await driver.upload_object_via_stream(bytes(size), "bucket", "key")
    except StorageError as error:
        # What is not HTTP is quoted by the HTTP library in the error that ours was raised from.
        assert_silent(f"{error} {error!r} {error.__notes__}" if kind == "raw" else all_text(error))
    assert_silent(logs.text)


@pytest.mark.parametrize(
    "provider",
    [
        StaticCredentials(KEYS),
        AssumeRoleCredentials("arn:aws:iam::1:role/r", KEYS, external_id="x"),
        RefreshingCredentials(lambda: KEYS),
    ],
    ids=lambda provider: type(provider).__name__,
)
def test_sources_of_credentials_hide_them(provider):
    assert_silent(f"{provider!r} {getattr(provider, '__dict__', '')!r}")


@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "CompleteMultipartUpload"])
async def test_tasks_hide_them(server, make_driver, operation):
    seen = []

    def look(loop, make, **kwargs):
        task = asyncio.Task(make, loop=loop, **kwargs)
        task.add_done_callback(lambda task: seen.append(f"{task!r} {task.get_name()}"))
        return task

    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.set_task_factory(look)
    server.check_signatures = False
    server.faults.add(Fault("answer", operation, status=400, body=b"<Error><Code>x</Code></Error>" + ECHO.encode()))
    try:
        with pytest.raises(StorageError):
            await make_driver(credentials=KEYS).upload_object_via_stream(
                bytes(10 if operation == "PutObject" else 5000), "bucket", "key"
            )
    finally:
        loop.set_task_factory(None)
    await asyncio.sleep(0)
    assert (operation == "PutObject") or seen
    assert_silent(" ".join(seen))


async def test_a_presigned_url_is_in_no_error_and_no_log(server, make_driver, logs):
    driver = make_driver(credentials=KEYS)
    url = await driver.get_object_cdn_url("bucket", "key", expires_in=60)
    signature = url.partition("X-Amz-Signature=")[2]
    with pytest.raises(StorageError) as caught:
        await driver.get_object("bucket", "key")
    assert len(signature) == 64
    assert signature not in all_text(caught.value) + logs.text
    assert_silent(all_text(caught.value) + logs.text)


@pytest.mark.parametrize(
    "words",
    [
        f'{{"Authorization": "x", "X-Amz-Security-Token": "{TOKEN}"}}',
        f"x-amz-server-side-encryption-customer-key: {base64.b64encode(CUSTOMER_KEY).decode()}",
        f"https://x/?X-Amz-Security-Token%3D{TOKEN}",
        f"SecretAccessKey={SECRET}",
    ],
)
async def test_an_echo_of_the_request_is_not_quoted(server, driver, logs, words):
    document = f"<Error><Code>InvalidRequest</Code><Message>{words}</Message></Error>"
    server.faults.add(Fault("answer", status=400, body=document.encode(), times=9))
    with pytest.raises(ResponseError) as caught:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert "(hidden)" in str(caught.value)
    assert_silent(all_text(caught.value) + logs.text)


async def test_a_store_that_tells_the_canonical_request_is_not_quoted(server, driver, logs):
    document = (
        f"<Error><Code>SignatureDoesNotMatch</Code><Message>we computed Signature={SIGNATURE}</Message>"
        f"<AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId><CanonicalRequest>x-amz-security-token:{TOKEN}"
        "</CanonicalRequest></Error>"
    )
    server.faults.add(Fault("answer", status=403, body=document.encode(), times=9))
    with pytest.raises(CredentialsError, match="secret access key") as caught:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert_silent(all_text(caught.value) + logs.text)


async def test_a_customer_key_is_hidden(server, driver, logs):
    for key in (CUSTOMER_KEY, CUSTOMER_KEY[:-1]):
        with pytest.raises(StorageError) as caught:
            await driver.upload_object_via_stream(b"x", "bucket", "key", sse_customer_key=key)
        assert_silent(all_text(caught.value) + logs.text)


async def test_an_endpoint_with_a_password_is_not_quoted(logs):
    driver = S3StorageDriver(endpoint_url=f"http://user:{SECRET}@localhost:1", region="us-east-1", credentials=KEYS)
    with pytest.raises(StorageError, match="user name or a password") as caught:
        await driver.get_container("bucket")
    assert_silent(all_text(caught.value) + logs.text + repr(driver))


async def test_nothing_is_logged_at_the_usual_level_by_an_upload_that_works(server, driver, caplog):
    caplog.set_level(logging.INFO)
    await driver.upload_object_via_stream(bytes(5000), "bucket", "key")
    await driver.aclose()
    assert [record for record in caplog.records if record.name != "asyncio"] == []


@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "CompleteMultipartUpload", None])
async def test_observers_receive_none(server, make_driver, logs, operation):
    """Nor do the warnings of throttling, retry storms and failing observers show one."""
    server.check_signatures = False
    seen = []

    class Everything(Observer):
        def __getattribute__(self, name):
            if name in vars(Observer) and not name.startswith("_"):
                return lambda *arguments: seen.extend(arguments) or 1 / 0
            return super().__getattribute__(name)

    if operation is not None:
        document = f"<Error><Code>SlowDown</Code><Message>{ECHO}</Message></Error>".encode()
        server.faults.add(Fault("answer", operation, status=503, body=document, times=100))
    driver = make_driver(credentials=KEYS, observer=Everything(), retry=RetryPolicy(2, budget=5, base_delay=0))
    with contextlib.suppress(StorageError):
        await driver.upload_object_via_stream(
            bytes(10 if operation == "PutObject" else 5000), "bucket", "key", metadata={"a": "very-secret"}
        )
    assert len(seen) > 5
    errors = [getattr(value, "error", None) for value in seen]
    assert_silent(repr(seen) + logs.text + "".join(all_text(error) for error in errors if error is not None))
    assert "throttles" in logs.text or operation is None
