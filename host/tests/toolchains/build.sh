#!/usr/bin/env bash
# Builds monitors with the toolchains that their authors use, to see that the host takes what these make.
# Usage: build.sh OUT WIT      (OUT: folder for the .wasm files; WIT: the folder with monitor.wit)
# Needs node 20, npm and python 3.10 or newer with venv. The tools go into this folder (400 MB), once.
set -euo pipefail
mkdir -p "$1"
out=$(realpath "$1") wit=$(realpath "$2")
cd "$(dirname "$0")"

# preview2-shim and commander are in package.json because componentize-js imports them without saying
# so; with preview2-shim 0.26 it finds no file.
# No install scripts: the tools ship their binaries in packages of their own.
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --no-audit --no-fund
if [ ! .venv/installed -nt requirements.txt ]; then
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  touch .venv/installed
fi

qjs() { node_modules/.bin/componentize-qjs --wit "$wit" --world monitor --js "monitors/$1" --output "$out/$2" "${@:3}"; }
js() { node_modules/.bin/componentize-js "monitors/$1" --wit "$wit" --world-name monitor --out "$out/$2" "${@:3}"; }

# Without --sync a component uses the async ABI, which wasmtime takes only with component-model-async.
qjs import.js qjs.wasm --sync
qjs import.js qjs-async.wasm
qjs loop.js qjs-loop.wasm --sync
qjs throws.js qjs-throws.wasm --sync
# The small runtime uses tail calls.
qjs import.js qjs-small.wasm --sync --opt-size

js global.js js-fetch.wasm
# Without `http` the engine's own imports of wasi:http are gone.
js import.js js-import.wasm --disable http fetch-event

.venv/bin/componentize-py --quiet --wit-path "$wit" --world monitor \
  componentize --python-path monitors app --output "$out/py.wasm"
