#!/usr/bin/env bash
# Fine-tuning on real pictures: the packaged model's encoder adapted to pages of text, measured on held-back pages and on
# Kodak before and after, with files that the packaged decoder reads; then the study of what should learn.
#   docs/experiments/finetune/run.sh DATA OUT      DATA holds cid22/train, cid22/val and kodak
# Interrupted, the same command goes on.
set -euo pipefail
data=$(realpath "$1") out=$2 here=$(dirname "$0")
mkdir -p "$out"
[ -d "$out/pages/held-back" ] || python "$here/pages.py" "$out/pages"

if [ -d "$out/encoder/checkpoints" ]; then
  hpcmbal train --checkpoint "$out/encoder"
else
  hpcmbal train --preset finetune-encoder-nano --train-data "$out/pages/train" --val-data "$out/pages/held-back" \
    --save-path "$out/encoder"
fi
for set in pages kodak; do
  images=$data/kodak; [ "$set" = pages ] && images=$out/pages/held-back
  hpcmbal eval --model hpcm-nano --model "adapted=$out/encoder" --data "$images" --bd-anchor hpcm-nano -o "$out/eval-$set"
done

# Old decoders read the new files: no model is named, so the packaged one decodes.
hpcmbal compress "$out/pages/held-back" -o "$out/files" --model "$out/encoder" --lossy --skip-existing
hpcmbal decompress "$out/files" -o "$out/decoded" --skip-existing

# What should learn: 24 trainings of 2,000 steps. The short form, 500 steps: short/study.yaml with hpcmbal ablate grid.
hpcmbal ablate finetune --train-data "$data/cid22/train" --eval-data "$data/cid22/val" -o "$out/study"
