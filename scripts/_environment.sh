# Sourced by quickstart and test: makes .venv with the pinned versions, or repairs a half-made one.
# usage: . scripts/_environment.sh; prepare_environment "" | "[dev]"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

find_python() {
    local name
    for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        if [ -n "$name" ] && "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "error: Python 3.11, 3.12 or 3.13 was not found. Install one, or name it: PYTHON=/path/to/python3.11 $0" >&2
    return 1
}

prepare_environment() {
    local extra=$1 python stamp wanted
    python=$(find_python) || exit 1
    stamp="$root/.venv/.latentlab-installed${extra}"
    wanted=$(cat "$root/pyproject.toml" "$root/constraints.txt" | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "== making the environment in .venv (some minutes the first time) =="
        "$root/.venv/bin/python" -c '' 2>/dev/null || "$python" -m venv --clear "$root/.venv" || exit 1
        "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" -e "$root$extra" || {
            echo "error: the packages could not be installed; pip's message above says why. Repeat the command to go on." >&2
            exit 1
        }
        echo "$wanted" > "$stamp"
    fi
    export PATH="$root/.venv/bin:$PATH"
}
