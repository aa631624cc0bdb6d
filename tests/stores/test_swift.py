"""The files that make a one-disk Swift."""

from __future__ import annotations

import gzip
import json
import os
import struct
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from aios3.credentials import Credentials

from .swift import SERVERS, takes_user_xattrs, write_swift_files

PORTS = dict(zip(SERVERS, (20_001, 20_002, 20_003, 20_004), strict=True))
KEYS = Credentials("aios3:tester", "a-secret")


def read(path: Path) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(path)
    return parser


def test_each_server_gets_its_own_port_and_the_common_folder(tmp_path: Path) -> None:
    files = write_swift_files(tmp_path, PORTS, KEYS)
    defaults = {server: read(file)["DEFAULT"] for server, file in files.items()}
    assert {server: int(section["bind_port"]) for server, section in defaults.items()} == PORTS
    assert {section["swift_dir"] for section in defaults.values()} == {str(tmp_path)}
    assert {section["workers"] for section in defaults.values()} == {"0"}
    assert (tmp_path / "devices" / "disk1").is_dir()


def test_the_pipeline_has_s3_before_the_authentication_and_large_objects_behind_it(tmp_path: Path) -> None:
    proxy = read(write_swift_files(tmp_path, PORTS, KEYS)["proxy"])
    pipeline = proxy["pipeline:main"]["pipeline"].split()
    positions = [pipeline.index(name) for name in ("s3api", "tempauth", "slo", "proxy-server")]
    assert positions == sorted(positions)
    assert all(f"filter:{name}" in proxy for name in pipeline[:-1])


def test_the_only_user_is_the_one_given(tmp_path: Path) -> None:
    proxy = read(write_swift_files(tmp_path, PORTS, KEYS)["proxy"])
    assert proxy["filter:tempauth"]["user_aios3_tester"] == "a-secret .admin"


@pytest.mark.parametrize("server", ["account", "container", "object"])
def test_a_ring_maps_every_partition_to_the_one_device(tmp_path: Path, server: str) -> None:
    write_swift_files(tmp_path, PORTS, KEYS)
    content = gzip.decompress((tmp_path / f"{server}.ring.gz").read_bytes())
    magic, version, length = struct.unpack_from("!4sHI", content)
    layout = json.loads(content[10 : 10 + length])
    assert (magic, version) == (b"R1NG", 1)
    assert [(device["ip"], device["port"]) for device in layout["devs"]] == [("127.0.0.1", PORTS[server])]
    assert content[10 + length :] == bytes(2 * 2 ** (32 - layout["part_shift"]))


def test_a_second_start_in_one_folder_finds_the_objects_again(tmp_path: Path) -> None:
    write_swift_files(tmp_path, PORTS, KEYS)
    before = (tmp_path / "swift.conf").read_bytes()
    write_swift_files(tmp_path, {server: port + 100 for server, port in PORTS.items()}, KEYS)
    assert (tmp_path / "swift.conf").read_bytes() == before


def test_a_folder_without_extended_attributes_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse, raising=False)
    assert takes_user_xattrs(tmp_path) is False
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_extended_attributes_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[object] = []
    monkeypatch.setattr(os, "setxattr", lambda *args: taken.append(args), raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert takes_user_xattrs(tmp_path) is True
    assert len(taken) == 1
    assert list(tmp_path.iterdir()) == []


def test_other_systems_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert takes_user_xattrs(tmp_path) is False
