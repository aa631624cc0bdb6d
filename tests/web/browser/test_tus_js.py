"""tus-js-client: its own test bundle and large files in Chromium, and in Node what its end-to-end tests do."""

from __future__ import annotations

import asyncio
import os
import random
import re
from pathlib import Path

import pytest

from tests.web.test_clients import CONTENT, run, whole_objects

from .conftest import HERE

pytestmark = pytest.mark.asyncio(loop_scope="module")  # of the browser

MIB = 1024 * 1024
LARGE = int(os.environ.get("AIOS3_BROWSER_MIB", "64"))
"""MiB of the large upload."""
VERSIONS = pytest.mark.parametrize("package", ["tus-js-client", "tus-js-client-5"])

JASMINE = """
() => new Promise((resolve) => {
  const specs = []
  jasmine.getEnv().addReporter({
    specDone: ({fullName, status, failedExpectations}) =>
      specs.push({name: fullName, status, why: failedExpectations.map((failed) => failed.message)}),
    jasmineDone: () => resolve(specs),
  })
  jasmine.getEnv().execute()
})
"""

UPLOAD = """
async (endpoint, source, count) => {
  const bar = document.body.appendChild(document.createElement("progress"))
  bar.value = 0
  const block = await (await fetch(source)).blob()
  const file = new File(Array(count).fill(block), "large.mp4", {type: "video/mp4"})
  await new Promise((resolve, reject) => new tus.Upload(file, {
    endpoint,
    chunkSize: 20 * 1024 * 1024,
    retryDelays: [0, 1000, 3000],
    onProgress: (sent, total) => { bar.max = total; bar.value = sent },
    onSuccess: resolve,
    onError: reject,
  }).start())
}
"""


@VERSIONS
async def test_the_bundle_of_its_own_tests_passes_against_this_server(cluster, site, page, packages, package):
    """The bundle names a public server, which is replaced by ours."""
    modules = packages / "node_modules"
    bundle = (modules / package / "dist" / "browser-test-bundle.js").read_text()
    bundle = bundle.replace("https://tusd.tusdemo.net/files/", cluster.url)
    pattern = re.escape(cluster.url).replace("/", r"\/")
    site.files |= {
        "jasmine.js": modules / "jasmine-core/lib/jasmine-core/jasmine.js",
        "html.js": modules / "jasmine-core/lib/jasmine-core/jasmine-html.js",
        "boot.js": modules / "jasmine-core/lib/jasmine-core/boot0.js",
        "ajax.js": modules / "jasmine-ajax/lib/mock-ajax.js",
        "bundle.js": bundle.replace(r"https:\/\/tusd\.tusdemo\.net\/files\/", pattern).encode(),
    }
    await page.open(site.add_page("tests.html", "jasmine.js", "html.js", "boot.js", "ajax.js", "bundle.js"))
    specs = await page.run(JASMINE)
    assert [spec for spec in specs if spec["status"] not in ("passed", "pending")] == []
    passed = [spec["name"] for spec in specs if spec["status"] == "passed"]
    assert sum("end-to-end" in name for name in passed) == 2
    print(f"{package}: {len(passed)} of its {len(specs)} tests passed")
    assert len(passed) > 60
    assert [stored.body for (_, key), stored in cluster.store.objects.items() if ".uploads/" not in key] == [
        b"hello world"
    ]


@VERSIONS
async def test_it_uploads_in_every_way_it_has_in_node(cluster, packages, package, tmp_path):
    path = tmp_path / "file.mp4"
    path.write_bytes(CONTENT)
    output = await run("node", HERE / "tus_client.mjs", cluster.url, path, packages, package)
    assert output.count("ok ") == 10
    assert whole_objects(cluster) == ([len(CONTENT)] * 8, 8)
    assert cluster.store.open_uploads == []
    assert cluster.log.read_text() == ""


async def test_a_large_file_of_a_page_shows_progress_and_never_lies_in_memory(cluster, site, page, packages):
    block = random.Random(4).randbytes(MIB + 1)
    site.files |= {"tus.js": packages / "node_modules/tus-js-client/dist/tus.min.js", "block": block}
    await page.open(site.add_page("large.html", "tus.js"))
    before = [memory_of(process) for process in cluster.processes]
    shown = []
    async with asyncio.TaskGroup() as group:
        uploading = group.create_task(page.run(UPLOAD, cluster.url, f"{site.url}block", LARGE))
        while not uploading.done():
            shown.append(await page.run("() => document.querySelector('progress')?.value ?? 0"))
            await asyncio.wait([uploading], timeout=0.1)
    assert shown == sorted(shown)
    assert len(set(shown)) > 3
    [stored] = [stored for (_, key), stored in cluster.store.objects.items() if ".uploads/" not in key]
    assert stored.size == LARGE * len(block)
    body = stored.body
    assert all(body[n * len(block) : (n + 1) * len(block)] == block for n in range(LARGE))
    grown = [memory_of(process) - least for process, least in zip(cluster.processes, before, strict=True)]
    print(f"{stored.size} bytes, {len(set(shown))} steps of progress, a process grew by {max(grown)} MiB")
    assert max(grown) < LARGE
    assert cluster.log.read_text() == ""


def memory_of(process):
    """Return the most memory that a process has had, in MiB; 0 where the system does not say."""
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) // 1024 if found else 0
