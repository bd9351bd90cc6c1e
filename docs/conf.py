from pathlib import Path

import pymc3_vi
from pymc3_vi.parameters import as_markdown

project = "pymc3_vi"
author = "the pymc3_vi contributors"
version = release = pymc3_vi.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc", "myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["myst.xref_missing", "myst.header"]  # README's links lead to files of the repository
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
nitpicky = True
html_theme = "alabaster"

# What parameters.md includes: the table that checks them.
_page = Path(__file__).with_name("_build") / "parameters.md"
_page.parent.mkdir(exist_ok=True)
_page.write_text(as_markdown(), encoding="utf-8")
