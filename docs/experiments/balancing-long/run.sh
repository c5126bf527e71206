#!/usr/bin/env bash
# Does balancing survive training? All parts of the study, one after another; interrupted, the same command goes on.
#   docs/experiments/balancing-long/run.sh DATA OUT     DATA holds cid22/train and kodak
set -euo pipefail
data=$(realpath "$1") out=$2 here=$(realpath "$(dirname "$0")")
mkdir -p "$out/runs"
study() { # part, then the study
  local part=$1; shift
  mkdir -p "$out/$part"
  # Parts 1 and 2 have the same `standard` runs: whoever comes second finds them done.
  case $part in part-1 | part-2) ln -sfn ../runs "$out/$part/runs" ;; esac
  hpcmbal ablate "$@" --train-data "$data/cid22/train" --eval-data "$data/kodak" --jobs 2 -o "$out/$part"
}
study part-1 balancing --long
for part in part-2 part-3 part-4 part-5; do
  [ -f "$here/$part.yaml" ] && study "$part" grid "$here/$part.yaml"
done
# Real files, written and read back, of the longest horizon of part 1.
for arm in standard emphasis hierarchical-adaptive; do
  hpcmbal eval --model "$arm=$out/runs/$arm/all-rates/seed-0/horizon-10000/model.safetensors" --data "$data/kodak" \
    -o "$out/files-$arm"
done
