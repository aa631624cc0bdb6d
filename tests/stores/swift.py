"""The files that make a one-disk OpenStack Swift with its S3 API: configuration and rings."""

from __future__ import annotations

import array
import gzip
import json
import os
import struct
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Final

from aios3.credentials import Credentials

from .server_processes import HOST

__all__ = ["PROXY", "SERVERS", "SWIFT_REGION", "takes_user_xattrs", "write_swift_files"]

PROXY: Final = "proxy"
STORAGE_SERVERS: Final = ("account", "container", "object")
SERVERS: Final = (*STORAGE_SERVERS, PROXY)
"""The four servers, in the order of their start."""
SWIFT_REGION: Final = "us-east-1"

_DEVICE: Final = "disk1"
_PART_POWER: Final = 4
# s3api must stand before the authentication, and copy, slo and dlo, on which its own operations rest, behind it.
_FILTERS: Final = ("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "s3api", "tempauth")
_FILTERS_BEHIND_AUTH: Final = ("copy", "slo", "dlo")

_Sections = Mapping[str, Mapping[str, str]]


def takes_user_xattrs(directory: Path) -> bool:
    """Return whether files in the directory can carry the extended attributes in which Swift keeps its metadata."""
    if sys.platform != "linux":
        return False
    probe = directory / ".xattr-probe"
    try:
        probe.touch()
        os.setxattr(probe, "user.swift.metadata", b"x" * 1024)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def write_swift_files(directory: Path, ports: Mapping[str, int], credentials: Credentials) -> dict[str, Path]:
    """Write the configuration and the rings of all four servers; return each server's configuration file.

    Args:
        directory: takes the files, and under ``devices`` the objects.
        ports: the loopback port of each of `SERVERS`.
        credentials: the only user; the access key is ``account:user``, without underscores.
    """
    (directory / "devices" / _DEVICE).mkdir(parents=True, exist_ok=True)
    # The hash must not change between two starts in one directory, or the objects are not found again.
    _write_sections(directory / "swift.conf", {"swift-hash": {"swift_hash_path_suffix": "aios3"}})
    for server in STORAGE_SERVERS:
        _write_sections(directory / f"{server}.conf", _storage_sections(server, directory, ports[server]))
        _write_ring(directory / f"{server}.ring.gz", ports[server])
    _write_sections(directory / f"{PROXY}.conf", _proxy_sections(directory, ports[PROXY], credentials))
    return {server: directory / f"{server}.conf" for server in SERVERS}


def _write_sections(path: Path, sections: _Sections) -> None:
    parser = ConfigParser(interpolation=None)
    parser.read_dict(sections)
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)


def _common_settings(directory: Path, port: int) -> dict[str, str]:
    return {
        "bind_ip": HOST,
        "bind_port": str(port),
        # A taken port must be known soon: another one is tried then. Swift's own default is to wait 30 s for it.
        "bind_timeout": "1",
        "swift_dir": str(directory),
        "devices": str(directory / "devices"),
        "mount_check": "false",
        "disable_fallocate": "true",
        "fallocate_reserve": "0",
        "workers": "0",  # no forks: the process that we started is the one that serves
        "log_level": "WARNING",
        "log_address": str(directory / "no-syslog"),
        "eventlet_debug": "false",
    }


def _storage_sections(server: str, directory: Path, port: int) -> _Sections:
    name = f"{server}-server"
    app = {
        "use": f"egg:swift#{server}",
        "recon_cache_path": str(directory / "recon"),
        "recon_lock_path": str(directory / "recon"),
    }
    return {
        "DEFAULT": _common_settings(directory, port),
        "pipeline:main": {"pipeline": name},
        f"app:{name}": app,
    }


def _proxy_sections(directory: Path, port: int, credentials: Credentials) -> _Sections:
    account, _, user = credentials.access_key_id.partition(":")
    pipeline = (*_FILTERS, *_FILTERS_BEHIND_AUTH)
    settings = {
        "s3api": {"location": SWIFT_REGION, "s3_acl": "false", "check_bucket_owner": "false"},
        "tempauth": {f"user_{account}_{user}": f"{credentials.secret_access_key} .admin"},
        "slo": {"allow_async_delete": "false"},
    }
    filters = {f"filter:{name}": {"use": f"egg:swift#{name}", **settings.get(name, {})} for name in pipeline}
    app = {"use": "egg:swift#proxy", "allow_account_management": "true", "account_autocreate": "true"}
    return {
        "DEFAULT": _common_settings(directory, port),
        "pipeline:main": {"pipeline": " ".join((*pipeline, "proxy-server"))},
        "app:proxy-server": app,
        **filters,
    }


def _write_ring(path: Path, port: int) -> None:
    """Write a ring with one replica on one device, in Swift's ring format 1.

    Gzip around: magic and version, the length of a JSON text, the text, then
    for each replica the device number of each partition as 16-bit integers.
    """
    device = {
        "id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": _DEVICE, "meta": "",
        "ip": HOST, "port": port, "replication_ip": HOST, "replication_port": port,
    }  # fmt: skip
    layout = {"devs": [device], "part_shift": 32 - _PART_POWER, "replica_count": 1, "byteorder": sys.byteorder}
    text = json.dumps(layout, sort_keys=True).encode("ascii")
    partitions = array.array("H", [0] * 2**_PART_POWER)
    with gzip.open(path, "wb") as ring:
        ring.write(struct.pack("!4sHI", b"R1NG", 1, len(text)) + text + partitions.tobytes())
