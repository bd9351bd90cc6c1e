"""docs/architecture.md follows one step of Adam from the call to the machine: what it says is counted here."""

import re
import sys
from pathlib import Path

import pymc3_vi

import numpy as np
import pymc3 as pm

from tests.docs.pages import DOCS

PACKAGE = Path(pymc3_vi.__file__).parent
LISTED = re.findall(r"^\d+\. `([\w/]+\.py)`", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.M)
#: Threads of BLAS, which say nothing of the step.
BESIDE = {"compiler/_blas_threads.py"}


def called(function):
    """Modules of the package whose functions `function` calls."""
    found = set()

    def note(frame, event, arg):
        if event == "call" and frame.f_code.co_filename.startswith(str(PACKAGE)):
            found.add(str(Path(frame.f_code.co_filename).relative_to(PACKAGE)))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return found


def test_the_page_names_what_a_step_passes_through():
    assert len(LISTED) == len(set(LISTED)) <= 20 and all((PACKAGE / name).exists() for name in LISTED)
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0.0, 1.0), 1.0, observed=np.arange(3.0))
    options = dict(progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=0.1))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    first = called(lambda: inference.fit(2, **options))
    assert set(LISTED) <= first  # nothing on the page is beside the way
    steps = called(lambda: inference.algorithm.run(3))
    assert steps <= set(LISTED) | BESIDE and len(steps) <= 6
