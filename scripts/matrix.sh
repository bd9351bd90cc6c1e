#!/usr/bin/env bash
# Usage: scripts/matrix.sh [PYTEST ARGUMENTS]
# The fast tier on every supported Python that is found, in environments of their own under .matrix/; prints a line for
# each and fails when one of them does. VERSIONS="3.8 3.13" chooses, JOBS the number of test processes.
set -u
cd "$(dirname "$0")/.."
failed=0
for version in ${VERSIONS:-3.8 3.9 3.10 3.11 3.12 3.13}; do
    env=".matrix/py${version/./}"
    log="$env.log"
    if ! python=$(PYTHON="" VERSIONS="$version" scripts/find_python.sh 2>/dev/null); then
        echo "$version  not found"
        continue
    fi
    mkdir -p .matrix
    if ! PYTHON="$python" scripts/make_venv.sh "$env" > "$log" 2>&1; then
        echo "$version  no environment: $(tail -n 1 "$log") ($log)"
        failed=1
        continue
    fi
    numpy=$("$env/bin/python" -c 'import numpy; print(numpy.__version__)')
    begin=$SECONDS
    "$env/bin/python" -m pytest -q -n "${JOBS:-2}" --dist worksteal -m "not slow" "$@" > "$log" 2>&1 || failed=1
    echo "$version  NumPy $numpy  $(grep -E '(passed|failed|error|no tests ran).* in ' "$log" | tail -n 1 | tr -d '=')  $((SECONDS - begin)) s"
    grep -E '^(FAILED|ERROR) ' "$log" | sed 's/^/      /'
done
exit $failed
