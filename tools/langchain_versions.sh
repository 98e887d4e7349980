#!/bin/sh
# Run the tests of the LangChain integration on other versions of LangChain, each in an environment
# that is thrown away:
#
#   tools/langchain_versions.sh langchain==1.3.0 "langchain==1.3.0 langchain-core<1.6"
#
# What the tests need besides is the newest that fits, and is not locked. Needs pip 25.1 for groups.
set -eu

for wanted in "$@"; do
    folder=$(mktemp -d)
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --upgrade pip
    # shellcheck disable=SC2086 # several requirements are several words
    "$folder/bin/python" -m pip install --quiet --group langchain --editable . $wanted
    if "$folder/bin/python" -m pip show --quiet torch 2>/dev/null; then
        echo "error: torch came with $wanted" >&2
        exit 1
    fi
    "$folder/bin/python" -m pip freeze | grep -E '^(langchain|langchain-core|langgraph)=='
    "$folder/bin/python" -m pytest --quiet --benchmark-skip -o asyncio_mode=auto \
        -o asyncio_default_fixture_loop_scope=function tests/integrations/langchain
    rm -rf "$folder"
done
