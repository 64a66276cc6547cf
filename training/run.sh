#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes models/nano from nothing: data, towers, decoder, evaluation. Seeded; about two and a half hours
# on two cores. Needs .venv-peers (tools/peers/install.sh) and Debian's espeak-ng, ffmpeg and
# fonts-dejavu-core.
#
#   training/run.sh [DIRECTORY for what is made on the way, build/nano]
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-build/nano}
python=.venv-peers/bin/python
mkdir -p "$work"
# Freed memory stays with the process: a step is then a fifth shorter.
export MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=2000000000

$python -c "from training import tokenizer; tokenizer.save('$work/tok')"
$python -m training.data_speech --out "$work/speech"
# The towers learn by themselves, each on one core.
OMP_NUM_THREADS=1 $python -m training.pretrain_vision --out "$work/vision.pt" --minutes 7 &
OMP_NUM_THREADS=1 $python -m training.pretrain_audio --data "$work" --out "$work/audio.pt" --minutes 15
wait
$python -m training.train --data "$work" --out "$work/joint.pt" --audio "$work/audio.pt" \
  --vision "$work/vision.pt" --steps 2600 --minutes 75
$python -m training.train --data "$work" --out "$work/finish.pt" --init "$work/joint.pt" --finish --seed 2 \
  --vision "$work/vision.pt" --rate 2e-3 --kinds speech=8,pictures=16,text=20,film=1 --minutes 20
$python -m training.export --checkpoint "$work/finish.pt" --tokenizer "$work/tok" --out models/nano
$python -m training.evaluation_set --out models/nano/eval --examples models/nano/examples
$python -m training.evaluate models/nano models/nano/eval/eval.jsonl --out models/nano/eval/transformers.jsonl
