#!/usr/bin/env bash
# Usage: scripts/lock.sh PYTHON [PYTHON ...]
# Rewrites requirements/pyXY.txt for each interpreter given, from the ranges in pyproject.toml (package and extra [dev]).
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Python 3.12 is tested with NumPy 1.26, 3.13 with NumPy 2; users get either.
narrower() { if [ "$1" = py312 ]; then echo "numpy<2"; fi; }

for python in "$@"; do
    tag=$("$python" -c 'import sys; print("py%d%d" % sys.version_info[:2])')
    env="$scratch/$tag"
    "$python" -m venv "$env"
    "$env/bin/python" -m pip install -q -r "$root/requirements/build.txt"
    cp "$root/scripts/theano_build.pth" "$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/"
    mkdir "$scratch/src-$tag"
    cp -r "$root/setup.py" "$root/pyproject.toml" "$root/README.md" "$root/scripts" "$root/pymc3_vi" "$scratch/src-$tag/"
    "$env/bin/python" -m pip install -q --no-build-isolation $(narrower "$tag") "$scratch/src-$tag[dev]"
    "$env/bin/python" -m pip check
    target="$root/requirements/$tag.txt"
    {
        echo "# Made by scripts/lock.sh with $("$python" --version). Edit pyproject.toml and run it again instead of editing this file."
        "$env/bin/python" -m pip freeze --exclude pymc3_vi | grep -v ' @ '
    } > "$target"
    echo "$target: $(grep -c == "$target") packages"
done
