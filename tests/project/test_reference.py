"""The README and the pages on uploads: names, defaults and numbers are right."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields, replace

import aios3
from aios3 import PROVIDERS, S3StorageDriver, TransferConfig, credential_providers
from aios3._protocol.checksums.digests import is_available
from aios3._protocol.parts.part_plan import plan_parts
from aios3.options import GIB, MIB
from tests.project.test_api import PUBLIC_MODULES
from tests.support.documents import page_block
from tests.support.places import PACKAGE, ROOT

PAGES = (
    "README.md",
    *(f"docs/{name}.md" for name in ("uploads", "objects", "reference", "stores", "speed", "testing")),
)
README = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)

LIFECYCLE = page_block("docs/uploads.md", "AbortIncompleteMultipartUpload", "json")


def section(title: str) -> str:
    """Return the text below a heading up to the next one."""
    return re.split(r"^#+ ", README.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_table_lists_every_method() -> None:
    """With arguments that it has, and no method that is not there."""
    listed = set(re.findall(r"^\| `(\w+)\(", section("Methods"), re.MULTILINE))
    assert listed == {
        name for name, member in inspect.getmembers(S3StorageDriver, callable) if not name.startswith("_")
    }
    for name, arguments in re.findall(r"^\| `(\w+)\((.*?)\)`", section("Methods"), re.MULTILINE):
        known = inspect.signature(getattr(S3StorageDriver, name)).parameters
        named = [argument.partition("=")[0] for argument in arguments.split(", ") if argument not in ("", "...")]
        assert [argument for argument in named if argument not in known] == [], name


def test_checksums_are_sent_where_the_readme_says() -> None:
    """By default on these providers and on no others."""
    limits = " ".join(section("Limits").split())
    defaults = {name: found.default_checksum for name, found in PROVIDERS.items() if found.default_checksum}
    assert defaults == {"aws": "crc32", "scaleway": "crc32", "cloudflare": "crc64nvme"}
    assert "CRC32 on `aws` and `scaleway`" in limits
    assert "`checksums` installed CRC64NVME on `cloudflare`" in limits
    assert (is_available("crc32"), all(found.multipart for found in PROVIDERS.values())) == (True, True)
    assert f"{len(PROVIDERS)} kinds of store" in " ".join(section("Stores").split())


def test_every_error_is_explained() -> None:
    """The tables of errors name all that can be imported, and no other."""
    first_cells = re.findall(r"^\| (`.*?) \|", section("Errors"), re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {name for module in PUBLIC_MODULES for name in module.__all__ if name.endswith("Error")}


def test_every_attribute_and_option_of_a_request_is_named() -> None:
    text = section("Attributes")
    named = set(re.findall(r"`(\w+)`", text))
    for options in (aios3.CopyAttributes, aios3.DeleteOptions, aios3.ReadOptions, aios3.ResponseOverrides):
        assert set(options.__annotations__) - named == set(), options
    assert '`if_none_match`, `if_match` | `"*"`' in text


def test_every_argument_of_the_driver_is_named() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", section("Options"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(inspect.signature(S3StorageDriver).parameters)


def test_defaults_are_those_of_the_table() -> None:
    """Of every option that there is."""
    units = {"GiB": GIB, "MiB": MIB, "s": 1}
    options = (aios3.TransferConfig, aios3.RetryPolicy, aios3.Timeouts)
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \| (\S+?)(?: (GiB|MiB|s))? \|", section("Options"), re.MULTILINE)
    assert {row[:2] for row in rows} == {(each.__name__, field.name) for each in options for field in fields(each)}
    for option, name, text, unit in rows:
        told = text.strip('`"') if text.startswith("`") else float(text) * units.get(unit, 1)
        default = getattr(getattr(aios3, option)(), name)
        assert (str(default) if isinstance(default, bool | None) else default) == told, name


def test_the_numbers_are_right() -> None:
    """Memory of one upload, and how far streams of unknown length go."""

    def capacity(provider: str, **options: int) -> float:
        transfer = replace(TransferConfig(), **options)
        return plan_parts(PROVIDERS[provider], transfer, size=None, memory_limit=transfer.memory_limit).capacity / GIB

    limits = " ".join(section("Limits").split())
    transfer = TransferConfig()
    assert f"{(transfer.concurrency + 1) * transfer.part_size // MIB} MiB with the defaults" in " ".join(README.split())
    more = capacity("aws", memory_limit=GIB)
    assert f"ends at {int(capacity('aws'))} GiB, with `memory_limit=2**30` at {int(more):,} GiB" in limits
    assert f"the limit is {capacity('cloudflare'):.1f} GiB (`cloudflare`)" in limits
    assert f"only {PROVIDERS['swift'].max_parts:,} parts, the limit is {int(capacity('swift'))} GiB (`swift`)" in limits


def test_conditions_are_refused_where_they_would_be_ignored() -> None:
    """The README's example of such a store is one."""
    assert "such as `rclone`" in " ".join(section("Limits").split())
    assert {"if_none_match", "if_match"} <= PROVIDERS["rclone"].refused_attributes


def test_the_lifecycle_rule_is_json() -> None:
    """So that it can be pasted."""
    (rule,) = json.loads(LIFECYCLE.text)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


SEED = (ROOT / "docs" / "libcloud-269.md").read_text(encoding="utf-8")


def test_tests_that_the_page_on_libcloud_names_exist() -> None:
    """Every file, and in it every test; those of the seed itself are all named."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", SEED)
    assert len(named) > 30
    for path, test in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not test or re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), f"{path}::{test}"
    of_the_seed = re.findall(
        r"^async def (test_\w+)\(", (ROOT / "tests/behaviour/test_libcloud_269.py").read_text(), re.MULTILINE
    )
    assert set(of_the_seed) == {test for path, test in named if test and path == "tests/behaviour/test_libcloud_269.py"}


def test_the_page_on_libcloud_names_every_method() -> None:
    """Users of libcloud look their methods up there."""
    methods = {name for name, _ in inspect.getmembers(S3StorageDriver, inspect.isfunction) if not name.startswith("_")}
    assert [name for name in methods - {"aclose"} if name not in SEED] == []


def test_every_source_of_credentials_is_named() -> None:
    """And each variable and setting that the section names is one that the library reads."""
    text = section("Credentials")
    assert [
        name for name in credential_providers.__all__ if name != "RefreshableCredentials" and name not in text
    ] == []
    code = "".join(path.read_text() for path in (PACKAGE / "_config").rglob("*.py"))
    names = re.findall(r"`(AWS_\w+|role_arn|source_profile|credential_source|credential_process)`", text)
    assert len(names) >= 7
    assert [name for name in names if name not in code] == []
