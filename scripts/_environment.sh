# Sourced by scripts/quickstart and scripts/test: makes .venv in the repository's root, or uses the finished one.
#
#     . scripts/_environment.sh
#     set_up_environment        latentlab
#     set_up_environment dev    latentlab and what its tests need
#
# Afterwards the commands of the environment are first on PATH. An installation that was killed is made anew; one that
# belongs to another pyproject.toml or constraints.txt is brought up to date.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONNOUSERSITE=1
unset PYTHONHOME PYTHONPATH

heading() { printf '== %s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Print the first Python that is new enough and can make an environment. 3.11 is asked first: the pinned versions are tested on it.
find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# Print what an installation depends on: the two files' checksum, and the place, which its scripts have written into them.
installation_key() {
    local sum=sha256sum
    command -v sha256sum >/dev/null || sum="shasum -a 256"
    { cat "$ROOT/pyproject.toml" "$ROOT/constraints.txt" && printf '%s\n' "$ROOT"; } | $sum | cut -d ' ' -f 1
}

# is_installed KEY EXTRA: an installation with dev serves where none is asked for.
is_installed() {
    [ -x "$VENV/bin/python" ] && { [ "$(cat "$VENV/installed-dev" 2>/dev/null)" = "$1" ] ||
        { [ -z "$2" ] && [ "$(cat "$VENV/installed" 2>/dev/null)" = "$1" ]; }; }
}

set_up_environment() {
    local extra=${1:-} key python
    key=$(installation_key)
    exec 9<"$ROOT/pyproject.toml"
    if command -v flock >/dev/null; then flock 9; fi # one installation at a time; a killed one's pip may still be at work
    if ! is_installed "$key" "$extra"; then
        python=$(find_python) || fail "Python 3.11 or newer, with its venv module, is needed and was not found on PATH."
        install "$python" "$extra" "$key"
    fi
    exec 9<&-
    export PATH="$VENV/bin:$PATH"
}

# install PYTHON EXTRA KEY: the file "installing" is there while the environment is half made.
install() {
    if [ -e "$VENV/installing" ] || [ ! -x "$VENV/bin/python" ]; then rm -rf "$VENV"; fi
    mkdir -p "$VENV"
    rm -f "$VENV/installed" "$VENV/installed-dev"
    touch "$VENV/installing"
    if [ ! -x "$VENV/bin/python" ]; then
        heading "making .venv with $("$1" --version)"
        "$1" -m venv "$VENV" || fail "cannot make $VENV; see above."
    fi
    heading "installing latentlab${2:+[$2]} and what it needs (about 800 MB to fetch, once)"
    (cd "$ROOT" && "$VENV/bin/python" -m pip install -qq -c constraints.txt -e ".${2:+[$2]}") ||
        fail "the installation failed, see above. Repeating the same command tries again."
    printf '%s\n' "$3" >"$VENV/installed${2:+-$2}"
    rm -f "$VENV/installing"
}
