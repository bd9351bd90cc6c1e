import pymc3_vi

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
html_theme = "alabaster"
