import sys
from pathlib import Path

import pymc3_vi
from pymc3_vi.parameters import as_markdown

sys.path.insert(0, str(Path(__file__).parent / "gallery"))  # notebooks.read, below

project = "pymc3_vi"
author = "the pymc3_vi contributors"
version = release = pymc3_vi.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx-mathjax-offline", "numpydoc", "myst_nb"]
# Notebooks are text; their outputs, stored by `make gallery`, are put in when they are read.
source_suffix = {".nb.md": "myst-nb", ".md": "myst-nb", ".rst": "restructuredtext"}
nb_custom_formats = {".nb.md": "notebooks.read"}
nb_execution_mode = "off"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["myst.header"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
maximum_signature_line_length = 80
numpydoc_show_class_members = False
nitpicky = True
html_theme = "furo"
html_title = f"pymc3_vi {version}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = html_show_copyright = False

# What pages include: the table that checks parameters, and README with the links that it has from here.
_build = Path(__file__).with_name("_build")
_build.mkdir(exist_ok=True)
(_build / "parameters.md").write_text(as_markdown(), encoding="utf-8")
_readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
_links = {"docs/": "", "examples/data/README.md": "data_sources.md", "CITATION.cff": "../CITATION.cff"}
_links.update({f"{page.upper()}.md": f"{page}.md" for page in ("changelog", "contributing", "security", "releasing")})
for _old, _new in _links.items():
    _readme = _readme.replace(f"]({_old}", f"]({_new}")
(_build / "readme.md").write_text(_readme, encoding="utf-8")
