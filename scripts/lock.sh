#!/usr/bin/env bash
# Usage: scripts/lock.sh PYTHON [PYTHON ...]
# Rewrites requirements/pyXY.txt for each interpreter given, from the ranges in pyproject.toml (package and extra [dev]).
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for python in "$@"; do
    tag=$("$python" -c 'import sys; print("py%d%d" % sys.version_info[:2])')
    env="$scratch/$tag"
    "$python" -m venv "$env"
    "$env/bin/python" -m pip install -q -r "$root/requirements/build.txt"
    mkdir "$scratch/src-$tag"
    cp -r "$root/setup.py" "$root/pyproject.toml" "$root/README.md" "$root/pymc3_vi" "$scratch/src-$tag/"
    "$env/bin/python" -m pip install -q --no-build-isolation "$scratch/src-$tag[dev]"
    "$env/bin/python" -m pip check
    target="$root/requirements/$tag.txt"
    {
        echo "# Made by scripts/lock.sh with $("$python" --version). Edit pyproject.toml and run it again instead of editing this file."
        "$env/bin/python" -m pip freeze --exclude pymc3_vi | grep -v ' @ '
    } > "$target"
    echo "$target: $(grep -c == "$target") packages"
done
