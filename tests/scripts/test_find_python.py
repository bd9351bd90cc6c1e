import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "find_python.sh"
THIS_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Folders with what the script itself needs, but possibly with a Python too: only these tools are linked.
TOOLS = ("bash", "env", "ls")


@pytest.fixture
def machine(tmp_path):
    """A machine whose only programs are a few tools and the Pythons that the test adds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        real = next(Path(d) / tool for d in os.environ["PATH"].split(os.pathsep) if (Path(d) / tool).exists())
        (folder / tool).symlink_to(real)

    def add(name, script):
        (folder / name).write_text(script)
        (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)

    def find(**environment):
        return subprocess.run(
            [str(SCRIPT)],
            env={"PATH": str(folder), "HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
        )

    return add, find


THIS_PYTHON = f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n'
PYENV_SHIM = "#!/usr/bin/env bash\necho 'pyenv: command not found' >&2\nexit 127\n"
TOO_NEW = "#!/usr/bin/env bash\necho 'is Python 3.15' >&2\nexit 1\n"


def test_finds_a_python_that_runs_under_its_plain_name(machine):
    add, find = machine
    add("python3", THIS_PYTHON)
    found = find()
    assert found.returncode == 0, found.stderr
    version = subprocess.check_output([found.stdout.strip(), "--version"], universal_newlines=True)
    assert version.startswith(f"Python {THIS_VERSION}.")


def test_passes_over_a_shim_that_does_not_run(machine):
    add, find = machine
    for version in ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13"):
        add(f"python{version}", PYENV_SHIM)
    assert find().returncode == 1
    add("python3", THIS_PYTHON)
    assert find().returncode == 0


def test_without_a_supported_python_one_line_says_what_to_do(machine):
    add, find = machine
    add("python3", TOO_NEW)
    found = find()
    assert found.returncode == 1 and found.stdout == ""
    assert len(found.stderr.splitlines()) == 1
    for words in (
        "3.8, 3.9, 3.10, 3.11, 3.12 or 3.13",
        "python3 on PATH is Python 3.15",
        "uv python",
        "pyenv install",
        "conda create",
    ):
        assert words in found.stderr


def test_a_python_asked_for_is_taken_or_refused(machine):
    add, find = machine
    add("python3", THIS_PYTHON)
    add("other", TOO_NEW)
    assert find(PYTHON=sys.executable).returncode == 0
    refused = find(PYTHON="other")
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert "PYTHON=other is Python 3.15" in refused.stderr
    assert "PYTHON=nowhere does not run" in find(PYTHON="nowhere").stderr
