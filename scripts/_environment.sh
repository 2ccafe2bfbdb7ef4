# Sourced by quickstart and test: makes .venv with the pinned versions, or repairs a half-made one.
# usage: . scripts/_environment.sh; prepare_environment "" | "[dev]"
#        . scripts/_environment.sh; prepare_locked_environment     makes .venv-locked from requirements/package.txt

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

# usage: digest PYTHON < TEXT
digest() {
    "$1" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

# usage: install_in FOLDER ARGUMENTS_OF_PIP
install_in() {
    local folder=$1
    shift
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

prepare_environment() {
    local extra=$1 python stamp wanted
    python=$(find_python) || exit 1
    stamp="$root/.venv/.latentlab-installed${extra}"
    wanted=$(cat "$root/pyproject.toml" "$root/constraints.txt" | digest "$python")
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "== making the environment in .venv (some minutes the first time) =="
        "$root/.venv/bin/python" -c '' 2>/dev/null || "$python" -m venv --clear "$root/.venv" || exit 1
        install_in "$root/.venv" -c "$root/constraints.txt" -e "$root$extra" || {
            echo "error: the packages could not be installed; pip's message above says why. Repeat the command to go on." >&2
            exit 1
        }
        echo "$wanted" > "$stamp"
    fi
    export PATH="$root/.venv/bin:$PATH"
}

# pip installs wheels alone, each with a checksum that requirements/package.txt lists, and nothing else: no code of a package runs
# while it is installed. It has a folder of its own, for what is installed already is not checked again.
prepare_locked_environment() {
    local folder="$root/.venv-locked" lock="$root/requirements/package.txt" python stamp begun wanted
    python=$(find_python) || exit 1
    stamp="$folder/.latentlab-installed"
    begun="$folder/.latentlab-begun"
    wanted=$(cat "$root/pyproject.toml" "$lock" | digest "$python")
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "== making the environment in .venv-locked, every file checked by its SHA-256 (some minutes the first time) =="
        if [ "$(cat "$begun" 2>/dev/null)" != "$wanted" ] || ! "$folder/bin/python" -c '' 2>/dev/null; then
            "$python" -m venv --clear "$folder" || exit 1
            echo "$wanted" > "$begun"
        fi
        { install_in "$folder" --require-hashes --only-binary :all: -r "$lock" \
            && install_in "$folder" --no-index --no-deps --no-build-isolation -e "$root"; } || {
            echo "error: the packages could not be installed; pip's message above says why. A file whose checksum differs from the one" \
                "in requirements/package.txt is not the one that latentlab was tested with. Repeat the command to go on." >&2
            exit 1
        }
        echo "$wanted" > "$stamp"
    fi
    export PATH="$folder/bin:$PATH"
}
