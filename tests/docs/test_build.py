"""The documentation as HTML, with every warning and every reference without a target an error."""

import os
import subprocess
import sys

import pytest

from .pages import DOCS


@pytest.mark.slow
def test_it_builds_without_a_warning(tmp_path):
    for package in ("sphinx", "myst_nb", "furo"):  # not for Python 3.8
        pytest.importorskip(package)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-n",
            "-q",
            "-b",
            "html",
            "-d",
            tmp_path / "d",
            DOCS,
            tmp_path,
        ],
        env=dict(os.environ, PYTHONPATH=str(DOCS.parent)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "api.html").exists() and (tmp_path / "reference" / "fit.html").exists()
