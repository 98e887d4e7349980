#!/bin/sh
# Build the wheel from the source distribution and try it where nothing else is installed:
#
#   tools/check_wheel.sh BUILDER VENV
#
# BUILDER is a Python that has `build` and hatchling; VENV is made anew. Leaves both files in dist/.
set -eu

builder=$PWD/$1
venv=$PWD/$2
tests=$PWD/tests/test_packaging.py
dist=$PWD/dist

rm -rf "$venv" "$dist"
echo "building the source distribution, and the wheel from it"
"$builder" -m build --no-isolation --outdir "$dist" . >/dev/null
ls -l "$dist"

echo "installing the wheel with what requirements/run.txt pins, and nothing else"
tools/make_venv.sh "$venv" requirements/run.txt
"$venv/bin/python" -m pip install --quiet --no-deps "$dist"/*.whl
"$venv/bin/python" -m pip check
if "$venv/bin/python" -m pip list | grep -iE '^(torch|nvidia|langchain|nemo|sentence-transformers|scikit-learn)'; then
    echo "error: the wheel brings what it must not bring" >&2
    exit 1
fi
du -sh "$venv"

elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
(cd "$elsewhere" && "$venv/bin/corroborator" --version && "$venv/bin/corroborator" doctor)

echo "running tests/test_packaging.py against it, from another directory"
"$venv/bin/python" -m pip install --quiet --require-hashes --only-binary :all: \
    --target "$elsewhere/pytest" -r requirements/wheel.txt
cp "$tests" "$elsewhere"
cd "$elsewhere"
EXPECT=wheel PYTHONPATH=$elsewhere/pytest PYTHONWARNINGS=error "$venv/bin/python" -m pytest \
    -q -p no:cacheprovider --import-mode=importlib test_packaging.py
