"""Code of the documentation's pages."""

import re
import textwrap
from pathlib import Path

import pymc3_vi

import theano

DOCS = Path(__file__).resolve().parents[2] / "docs"


def python_blocks(page):
    """Python blocks of the page with this path below docs/, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [textwrap.dedent(block) for block in re.findall(r"^ *```python\n(.*?)^ *```", text, re.M | re.S)]


def run_page(page, smaller=(), **namespace):
    """Namespace after running all Python blocks of a page in turn.

    `smaller` are pairs of what is in the page's code and what takes its place, so that it takes less time.
    """
    with pymc3_vi.fast_build():
        for number, block in enumerate(python_blocks(page), 1):
            for written, instead in smaller:
                block = block.replace(written, instead)
            exec(compile(block, f"{page}, block {number}", "exec"), namespace)  # noqa: S102
    theano.config.compute_test_value = "off"  # PyMC3 leaves them on after a model's context
    return namespace
