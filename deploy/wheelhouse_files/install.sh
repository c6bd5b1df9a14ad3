#!/bin/sh
# Installs wsus-airgap from this folder, and asks no network for anything.
#
#   sh install.sh TARGET [--key RELEASE.pub.pem] [--python PROGRAM]
#
# TARGET   folder for the checkout; it must not exist yet.
# --key    public key of whoever made this folder, which came another way; without it the files are
#          checked against SHA256SUMS alone, whose own digest is printed for a comparison by telephone.
# --python Python 3.11 or newer (default: python3).
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
target= key= python=python3
while [ $# -gt 0 ]; do
    case $1 in
        --key) key=$2; shift 2 ;;
        --python) python=$2; shift 2 ;;
        -*) echo "install.sh: no option is called $1" >&2; exit 64 ;;
        *) target=$1; shift ;;
    esac
done
if [ -z "$target" ]; then echo "install.sh: name the folder to install into" >&2; exit 64; fi
if [ -e "$target" ]; then echo "install.sh: $target exists already" >&2; exit 64; fi

cd "$here"
if [ -n "$key" ]; then
    openssl dgst -sha256 -verify "$key" -signature SHA256SUMS.sig SHA256SUMS >/dev/null || {
        echo "install.sh: SHA256SUMS is not signed by $key; nothing was installed" >&2; exit 3; }
    echo "signature: good"
else
    echo "signature: not looked at (--key); digest of SHA256SUMS:"
    sha256sum SHA256SUMS
fi
sha256sum --check --quiet --strict SHA256SUMS >&2 || {
    echo "install.sh: files differ from SHA256SUMS; nothing was installed" >&2; exit 3; }
# A name that SHA256SUMS does not know could be a wheel that pip prefers.
find . -type f ! -name SHA256SUMS ! -name SHA256SUMS.sig | sed 's|^\./||' | LC_ALL=C sort >"${TMPDIR:-/tmp}/wsus-airgap.$$"
sed 's/^[0-9a-f]*  //' SHA256SUMS | LC_ALL=C sort | cmp -s - "${TMPDIR:-/tmp}/wsus-airgap.$$" || {
    rm -f "${TMPDIR:-/tmp}/wsus-airgap.$$"
    echo "install.sh: this folder has other files than SHA256SUMS names; nothing was installed" >&2; exit 3; }
rm -f "${TMPDIR:-/tmp}/wsus-airgap.$$"
echo "files: as in SHA256SUMS"

mkdir -p "$target"
"$python" -m zipfile -e "$here/checkout.zip" "$target"
unset PIP_INDEX_URL PIP_EXTRA_INDEX_URL
PIP_NO_INDEX=1 PIP_FIND_LINKS="$here/wheels" PIP_CONFIG_FILE=/dev/null \
    "$python" "$target/deploy/run.py" --version
echo "installed: $target; next: $python $target/deploy/run.py demo"
