"""Trial by Ceph's s3-tests, with a checkout of a few tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.s3_tests import main, reason_of

CHECKOUT = """
import configparser, os, urllib.request
import pytest

def server():
    config = configparser.RawConfigParser()
    config.read(os.environ["S3TEST_CONF"])
    assert config.get("iam alt root", "access_key")
    return f"http://{config.defaults()['host']}:{config.defaults()['port']}/"

def test_bucket_list_reaches_the_store():
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(server())

@pytest.mark.xfail
def test_list_buckets_anonymous():
    urllib.request.urlopen(server())

class TestMore:
    def test_object_copy_same_bucket(self):
        assert 1 == 2

def test_of_no_group():
    assert False
"""


def test_trial_counts_by_group_and_names_failures(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    folder = tmp_path / "s3tests/functional"
    folder.mkdir(parents=True)
    (folder / "test_s3.py").write_text(CHECKOUT)
    assert main([str(tmp_path)]) == 1
    printed = capfd.readouterr().out
    for row in ("list | 1 | 1 | 0 | 0", "copy | 0 | 0 | 1 | 0", "total | 1 | 1 | 1 | 0"):
        assert f"| {row} |" in printed
    assert f"{reason_of('test_list_buckets_anonymous')}\n- `test_list_buckets_anonymous`" in printed
    assert "`test_object_copy_same_bucket` failed: assert 1 == 2" in printed
