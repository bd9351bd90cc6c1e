#!/usr/bin/env bash
# Usage: scripts/make_venv.sh FOLDER
# Makes the virtual environment FOLDER from the lock file of its Python line; does nothing when it is up to date.
# PYTHON=/path/to/python chooses the interpreter, and replaces an environment of another Python version.
set -euo pipefail
cd "$(dirname "$0")/.."
env=$1
stamp="$env/.installed"

version_of() { "$1" -c 'import sys; print("py%d%d" % sys.version_info[:2])' 2>/dev/null; }
fingerprint() { cat requirements/build.txt "requirements/$1.txt" setup.py pyproject.toml | cksum; }

tag=$(version_of "$env/bin/python" || true)
if [ -n "$tag" ] && { [ -z "${PYTHON:-}" ] || [ "$tag" = "$(version_of "$PYTHON" || true)" ]; }; then
    if [ -f "requirements/$tag.txt" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint "$tag") $PWD" ]; then
        exit 0
    fi
fi

if [ -z "$tag" ] || [ -n "${PYTHON:-}" ] || [ ! -f "requirements/$tag.txt" ]; then
    python=$(scripts/find_python.sh)
    tag=$(version_of "$python")
    echo "Making $env with $python"
    rm -rf "$env"
    "$python" -m venv "$env"
fi
command -v g++ >/dev/null 2>&1 || echo "Warning: no g++ on PATH; everything works without it, but far slower." >&2

rm -f "$stamp"
pip=("$env/bin/python" -m pip --disable-pip-version-check install --quiet)
echo "Installing requirements/$tag.txt into $env"
"${pip[@]}" -r requirements/build.txt
# On Python 3.12 and later Theano-PyMC's setup.py needs two names that configparser has no more.
cp scripts/theano_build.pth "$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/"
# In two steps: Theano-PyMC is built from source, and asks for NumPy when it is installed, not when it is built.
"${pip[@]}" --no-build-isolation -r "requirements/$tag.txt"
"${pip[@]}" --no-build-isolation --no-deps --editable .
# The first import keeps the bytecode of what is adapted to newer Pythons, so that later ones are fast.
env -u PYTHONDONTWRITEBYTECODE THEANO_FLAGS=cxx= "$env/bin/python" -c "import pymc3_vi" >/dev/null 2>&1
echo "$(fingerprint "$tag") $PWD" > "$stamp"
