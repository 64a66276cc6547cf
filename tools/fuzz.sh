#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs fuzz targets, all or those that are named, for SECONDS_EACH (60), from seeds that it makes:
#   tools/fuzz.sh build/fuzz/bin [TARGET...]
# An input that breaks one stays beside the programs, and what was printed of it is shown. Once mended,
# it is kept in fuzz/crashes/TARGET, whose files come first from then on.
set -euo pipefail
bin=$1
shift
here=$(dirname "$0")
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for program in "$bin"/fuzz_*; do targets+=("${program##*/fuzz_}"); done
fi
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
"$here/fuzz_seeds.py" "$bin" "$seeds"
# The words of all parsers.
grep -rhoE '"[A-Za-z_/][A-Za-z0-9_./-]{1,40}"' "$here/../src" --include='*.cc' |
  sort -u > "$seeds/words"
for target in "${targets[@]}"; do
  mkdir -p "$seeds/$target"
  if [ -d "$here/../fuzz/crashes/$target" ]; then
    cp "$here/../fuzz/crashes/$target"/* "$seeds/$target"
  fi
  echo "$target:"
  if ! "$bin/fuzz_$target" -max_total_time="${SECONDS_EACH:-60}" -max_len=100000 -timeout=20 \
    -dict="$seeds/words" -artifact_prefix="$bin/$target-" "$seeds/$target" > "$seeds/log" 2>&1; then
    tail -60 "$seeds/log"
    exit 1
  fi
  tail -1 "$seeds/log"
done
