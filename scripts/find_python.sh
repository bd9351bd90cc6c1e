#!/usr/bin/env bash
# Prints the path of a Python that can run this project; with none, one line on standard error and exit status 1.
#
# A name on PATH proves little: a pyenv shim exists for every version that pyenv ever installed, Debian's python3 may
# lack venv or the headers that C code needs. So each candidate is run and must import venv, ensurepip and find
# Python.h. PYTHON=/path/to/python asks for that one only, VERSIONS="3.12 3.13" for the first of these.
#
# The order is that of import and a first fit of the radon model, in CPU seconds and medians of three turns: 3.10 takes
# 2.6 + 3.3, 3.12 takes 3.0 + 3.3, 3.13 takes 3.0 + 6.7 (3.8, 3.9 and 3.11 were not measured).
set -u
VERSIONS="${VERSIONS:-3.10 3.11 3.12 3.13 3.9 3.8}"
HOW="Get one with 'uv python install 3.12', 'pyenv install 3.12' or 'conda create -n py312 python=3.12', then give its path: make PYTHON=/path/to/python3.12"
SUPPORTED="3.8, 3.9, 3.10, 3.11, 3.12 or 3.13"

probe='
import os, sys
version = "%d.%d" % sys.version_info[:2]
if version not in os.environ["ACCEPTED"].split():
    sys.exit("is Python " + version)
try:
    import ensurepip, venv
    ensurepip.version()
except ImportError as error:
    sys.exit("is Python %s without %s" % (version, error.name))
import sysconfig
if not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")):
    sys.exit("is Python %s without its headers (Python.h)" % version)
print(getattr(sys, "_base_executable", sys.executable))
'

# check CANDIDATE VERSIONS: prints the real executable, or why it is not one and fails.
check() {
    local said
    if said=$(ACCEPTED="$2" "$1" -c "$probe" </dev/null 2>&1); then
        echo "${said##*$'\n'}"
    else
        case "$said" in
            "is Python "*) echo "$said" ;;
            *) echo "does not run" ;;
        esac
        return 1
    fi
}

if [ -n "${PYTHON:-}" ]; then
    if answer=$(check "$PYTHON" "$VERSIONS"); then
        echo "$answer"
        exit 0
    fi
    echo "PYTHON=$PYTHON $answer; Python $SUPPORTED is needed. $HOW" >&2
    exit 1
fi

candidates() {
    type -ap "python$1" python3 python
    ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python 2>/dev/null
    if command -v uv >/dev/null 2>&1; then uv python find --no-project "$1" 2>/dev/null; fi
}

for version in $VERSIONS; do
    while IFS= read -r candidate; do
        if answer=$(check "$candidate" "$version"); then
            echo "$answer"
            exit 0
        fi
    done < <(candidates "$version")
done

seen=""
for name in python3 python; do
    if command -v "$name" >/dev/null 2>&1; then
        answer=$(check "$name" "$VERSIONS")
        seen=" ($name on PATH $answer)"
        break
    fi
done
echo "No working Python $SUPPORTED found$seen. $HOW" >&2
exit 1
