"""Settings of the documentation site, which `make docs` builds into `build/docs`.

The source folder is the root of the project, so that a relative link works on the site as it does in the repository.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sphinx.ext.napoleon.docstring import GoogleDocstring  # noqa: E402

import aios3  # noqa: E402  (the path comes first)

project = "aios3"
copyright = "the authors of aios3"  # noqa: A001  (Sphinx wants this name)
release = version = aios3.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/decisions/*.md",
    "benchmarks/README.md",
    "benchmarks/results/*.md",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "THREAT_MODEL.md",
]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.header"]  # generated pages skip a level

autodoc_member_order = "bysource"
autodoc_mock_imports = ["distributed"]
autodoc_typehints = "signature"
autodoc_preserve_defaults = True  # shows TransferConfig(), not all its fields
python_maximum_signature_line_length = 80  # a longer signature has a line for each parameter
autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
default_role = "code"  # docstrings put names in single backticks

html_theme = "furo"
html_title = f"aios3 {release}"
html_extra_path = ["site"]  # index.html, which leads to docs/index.html, and the style
html_css_files = ["aios3.css"]
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}


def setup(app):
    """Connect the helpers below."""
    app.connect("source-read", name_other_pages)
    app.connect("source-read", unlink_folders)
    app.connect("source-read", name_records)
    # Napoleon takes the words before a colon for a type. Our docstrings of attributes are prose.
    GoogleDocstring._parse_attribute_docstring = lambda self: self._consume_to_end()


def name_other_pages(app, docname, source):
    """Put the pages that no part of the index names among the guides, so that a new page needs no entry."""
    if docname == root_doc:
        named = set(source[0].split())
        pages = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))
        others = [page for page in pages if page not in named and page != "index"]
        source[0] = source[0].replace("OTHER-PAGES", "\n".join(others))


def unlink_folders(app, docname, source):
    """Show a link to a folder of the repository as its text: the site has no page for it."""
    folder = (ROOT / docname).parent

    def without_target(link):
        return link[1] if (folder / link[2]).is_dir() else link[0]

    source[0] = re.sub(r"\[([^\]]+)\]\(([^)#:\s]+)\)", without_target, source[0])


def name_records(app, docname, source):
    """Put records below the page that introduces them, which must stay readable without Sphinx."""
    records = {"docs/decisions/README": "0*", "benchmarks/README": "results/*"}
    if docname in records:
        source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{records[docname]}\n```\n"
