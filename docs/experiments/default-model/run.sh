#!/usr/bin/env bash
# The packaged default model: training, packaging, evaluation on Kodak.
#   docs/experiments/default-model/run.sh DATA OUT     DATA holds cid22/train, cid22/val, clic2025-valid and kodak
# Interrupted, the same command goes on.
set -euo pipefail
data=$(realpath "$1") out=$2 here=$(dirname "$0")
mkdir -p "$out/data"
ln -sf "$data"/cid22/train/*.png "$data"/clic2025-valid/*.png "$out/data/"
resume=(); [ -d "$out/run/checkpoints" ] && resume=(--checkpoint "$out/run")
hpcmbal train --preset variable-nano --train-data "$out/data" --val-data "$data/cid22/val" \
  --set training.num_threads=1 --save-path "$out/run" "${resume[@]}"
python "$here/package.py" "$out/run" "$out/hpcm-nano.safetensors" --hours "${HOURS:?wall-clock hours of the training}" \
  --data "CID22 training images (209, CC BY-SA 4.0, Cloudinary)" \
  --data "CLIC 2025 validation images under 4 MiB (26, Unsplash licence)"
hpcmbal eval --model "hpcm-nano=$out/hpcm-nano.safetensors" --data "$data/kodak" --anchor jpeg,webp \
  --published kodak --bd-anchor jpeg -o "$out/eval"
