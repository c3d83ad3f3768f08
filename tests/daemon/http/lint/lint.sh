#!/bin/sh
# The linter finds nothing in the OpenAPI document: lint.sh SOURCES DIRECTORY DOCUMENT. It is installed with npm into DIRECTORY,
# once; skipped (77) where there is no npm, or npm cannot reach its registry.
set -eu
sources=$1 directory=$2 document=$3

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    echo "skipped: npm is not installed"
    exit 77
fi
mkdir -p "$directory"
if ! cmp -s "$sources/package-lock.json" "$directory/installed.json"; then
    rm -f "$directory/installed.json"
    cp "$sources/package.json" "$sources/package-lock.json" "$directory/"
    if ! (cd "$directory" && npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1); then
        echo "skipped: npm cannot install the linter ($directory/npm.log says why)"
        exit 77
    fi
    cp "$sources/package-lock.json" "$directory/installed.json"
fi
cp "$sources/lint.mjs" "$directory/"
cd "$directory"
node lint.mjs "$document"
