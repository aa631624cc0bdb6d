"""Places at which frameworks mount an application."""

from __future__ import annotations

import pytest

from aios3.web._requests.mounts import mount_of


@pytest.mark.parametrize(
    ("root", "path", "raw_path", "found"),
    [
        ("/files", "/files/abc", None, ("/files", "abc")),
        ("/files", "/files", b"/files", ("/files", "")),
        ("/files/", "/files/abc/", b"/files/abc/", ("/files", "abc")),
        ("", "/abc/", b"/abc/", ("", "abc")),
        ("/files", "/abc", b"/files/abc", ("/files", "abc")),
        ("/proxy/files", "/abc", b"/files/abc", ("/proxy/files", "abc")),
        ("/files", "/files2/abc", b"/files2/abc", ("/files", "files2/abc")),
        ("", "/abc", b"/fil%C3%A9s/abc", ("/fil\xe9s", "abc")),
        ("", "/", b"/files/", ("/files", "")),
        ("/proxy", "/abc/", b"/proxy/files/abc", ("/proxy/files", "abc")),
        ("/files", "/files/abc", b"/stripped/files/abc", ("/files", "abc")),
    ],
)
def test_the_place_and_the_path_below_it_are_found(root, path, raw_path, found):
    """Starlette leaves the place in the path or not, by version. Litestar takes it out and names it nowhere."""
    assert mount_of({"root_path": root, "path": path, "raw_path": raw_path}) == found
