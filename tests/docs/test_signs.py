"""What pages and examples call ELBO has its sign: losses are negative ELBOs."""

import re

from .pages import DOCS

ROOT = DOCS.parent
FILES = [ROOT / "README.md", *DOCS.glob("*.md"), *DOCS.glob("*/*.md"), *(ROOT / "examples").glob("*.py")]
#: Losses in a line that prints them as the ELBO, and what a variable with that name is set to.
SHOWN = re.compile(r"\bELBO\b[^{]*\{(.*\b(?:hist|loss)\b.*)\}|elbo\w* = (.*\b(?:hist|loss)\b.*)")


def _shown(line):
    """The expression, if a line shows losses as the ELBO."""
    found = SHOWN.search(line)
    return found and (found[1] or found[2])


def test_losses_are_shown_as_elbo_with_a_minus():
    shown = []
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            expression = _shown(line)
            if expression and not expression.startswith("plot_"):
                shown.append(path.name)
                assert expression.startswith("-"), f"{path.name}, line {number}: {line.strip()}"
    assert shown.count("usage_examples.md") == 3 and "demo_plots.py" in shown


def test_wrong_signs_would_be_seen():
    assert _shown('print(f"ELBO: {approx.hist[-1]:.2f}")') == "approx.hist[-1]:.2f"
    assert _shown("final_elbo = approx.hist[-2000:].mean()") == "approx.hist[-2000:].mean()"
