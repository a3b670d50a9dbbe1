# Sourced by every script: `-h` prints the script's head comment; the rest runs in the root, with `.venv` first on PATH.
# shellcheck shell=sh
case "${1-}" in
    -h | --help)
        sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
esac
cd "$(dirname "$0")/.." || exit
if [ -d .venv/bin ]; then
    PATH="$PWD/.venv/bin:$PATH"
fi
