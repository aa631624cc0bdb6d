"""Draws the pictures of the documentation as SVG: ``python docs/images/draw.py`` writes them beside itself.

A picture is a list of lanes, a lane is a row of boxes. The colours are fixed, on a light card, so that a picture reads
the same in a light and in a dark theme.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

WIDTH: Final = 960
MARGIN: Final = 16
GAP: Final = 34
"""Pixels between two boxes of a lane, where the arrow is."""
LINE: Final = 17
COLOURS: Final = {"plain": ("#eef4fb", "#4a7fb5"), "bad": ("#fdeeee", "#c0504d"), "good": ("#edf7ee", "#4d9a57")}
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.b{font-weight:600}.s{font-size:12px;fill:#57606a}"
    "line,path{stroke:#57606a;stroke-width:1.5;fill:none}"
)


@dataclass(frozen=True)
class Lane:
    """A row of boxes; each box is its title and its lines, parted by line ends."""

    boxes: tuple[str, ...]
    label: str = ""
    kind: str = "plain"
    arrows: bool = True


@dataclass(frozen=True)
class Picture:
    """What is drawn, and the words for those who cannot see it."""

    title: str
    description: str
    lanes: tuple[Lane, ...]


PICTURES: Final = {
    "upload-life": Picture(
        "The life of an upload",
        "Memory is granted, the source is read, parts are sent, the commit comes last. Any failure ends in an abort.",
        (
            Lane(
                (
                    "Memory\nis granted before\nthe source is read",
                    "Source\nis read in\nyour task",
                    "Parts of 5 MiB\nat most 8 in flight,\neach retried alone",
                    "Commit\nafter the clean end\nof the source",
                    "Receipt\nETag, size, parts",
                ),
                "Every byte: an upload that goes well. While 8 parts are in flight, the source is not read.",
            ),
            Lane(
                (
                    "Error, timeout,\ncancellation\nat any step",
                    "Stop\nclose the source,\nend the parts",
                    "Abort\nin its own task, under\nits own deadline",
                    "Proof\nthe store lists\nno part",
                    "Your code\ngets the first\nerror, unchanged",
                ),
                "Or nothing: an upload that fails. The key keeps what it held before.",
                "bad",
            ),
        ),
    ),
    "web-bytes": Picture(
        "Where the bytes of a web upload go",
        "Through a handler, in resumable requests, or straight from the browser to the store.",
        (
            Lane(
                (
                    "Browser\none request",
                    "Web server\nits receive buffer",
                    "Your handler\nrequest.stream()",
                    "aios3\nat most memory_limit",
                    "Store\nparts, then commit",
                ),
                "Through a handler. A slow store slows the client, and memory stays within the limit.",
            ),
            Lane(
                (
                    "Browser\ntus, PATCH by PATCH",
                    "Any process\nno sticky sessions",
                    "aios3.web\nchecks the offset",
                    "Store\nparts and a tail",
                    "Last PATCH\ncommits",
                ),
                "Resumable. After a lost connection the client asks for the offset; the store knows it.",
            ),
            Lane(
                (
                    "Browser\nasks to upload",
                    "Your handler\nchecks who asks",
                    "aios3.web\nsigns URLs",
                    "Browser\nsends parts",
                    "Your handler\ncompletes",
                ),
                "Direct. The bytes never pass your server.",
                "good",
            ),
        ),
    ),
    "crash": Picture(
        "An upload whose process is killed",
        "The journal names the upload before the store creates it, so a later process finds and ends it.",
        (
            Lane(
                (
                    "Journal\nwrites the key",
                    "Create\nthe id is written too",
                    "Parts\neach is written\nafter it is stored",
                    "kill -9\nthe upload stays open",
                ),
                "The process that dies",
                "bad",
            ),
            Lane(
                (
                    "recover()\nreads the journal",
                    "Lease\nuploads of running\nprocesses stay",
                    "Store\nlists the parts\nthat it has",
                    "Resume, or abort\nnothing stays open",
                ),
                "The process that cleans up",
                "good",
            ),
        ),
    ),
    "layers": Picture(
        "The layers of the package",
        "A layer imports only from layers below it. A test checks it.",
        (
            Lane(
                (
                    "cli\nthe command",
                    "doctor\nfinds what is wrong",
                    "web\nHTTP uploads",
                    "dask, fsspec, otel\nfor other libraries",
                ),
                arrows=False,
                kind="good",
            ),
            Lane(("driver, _driver\nevery public method; one module for each concern",), arrows=False),
            Lane(("_config\nendpoints, credentials", "_journal\nuploads on disk, for recovery"), arrows=False),
            Lane(("_upload\none upload: source, memory, parts, guard, commit",), arrows=False),
            Lane(("_client\none S3 operation: sign, send, retry, limit the rate",), arrows=False),
            Lane(("_transport\none HTTP request over aiohttp, never a retry",), arrows=False),
            Lane(("_protocol\nrequests, responses, signatures, XML, policies: pure",), arrows=False),
            Lane(
                ("_concurrency\nasyncio tools that know no S3", "values\nerrors, options, models, providers"),
                arrows=False,
            ),
        ),
    ),
}


def drawn(picture: Picture) -> str:
    """Return the picture as an SVG document."""
    body: list[str] = []
    top = MARGIN
    for lane in picture.lanes:
        if lane.label:
            body.append(f'<text class="s" x="{MARGIN}" y="{top + 12}">{escape(lane.label)}</text>')
            top += 22
        height = LINE * max(box.count("\n") + 1 for box in lane.boxes) + 18
        gap = GAP if lane.arrows else 10
        width = (WIDTH - 2 * MARGIN - gap * (len(lane.boxes) - 1)) / len(lane.boxes)
        for number, box in enumerate(lane.boxes):
            left = MARGIN + number * (width + gap)
            body += _box(box, lane.kind, left, top, width, height)
            if number and lane.arrows:
                middle = top + height / 2
                body.append(
                    f'<line x1="{left - gap + 3:g}" y1="{middle:g}" x2="{left - 6:g}" y2="{middle:g}" '
                    f'marker-end="url(#arrow)"/>'
                )
        top += height + (18 if lane.arrows else 10)
    height = top - (18 if picture.lanes[-1].arrows else 10) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
            f'aria-labelledby="title description">',
            f'<title id="title">{escape(picture.title)}</title>',
            f'<desc id="description">{escape(picture.description)}</desc>',
            f"<style>{STYLE}</style>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#57606a;stroke:none"/></marker></defs>',
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8" fill="#fff" stroke="#d0d7de"/>',
            *body,
            "</svg>\n",
        ]
    )


def _box(text: str, kind: str, left: float, top: float, width: float, height: float) -> list[str]:
    fill, edge = COLOURS[kind]
    lines = text.split("\n")
    first = top + height / 2 - LINE * (len(lines) - 1) / 2 + 4.5
    return [
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}" stroke="{edge}"/>',
        *(
            f'<text{"" if number else " class=" + chr(34) + "b" + chr(34)} x="{left + width / 2:g}" '
            f'y="{first + LINE * number:g}" text-anchor="middle">{escape(line)}</text>'
            for number, line in enumerate(lines)
        ),
    ]


def main(folder: Path) -> None:
    """Write every picture into the folder."""
    for name, picture in PICTURES.items():
        (folder / f"{name}.svg").write_text(drawn(picture))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
