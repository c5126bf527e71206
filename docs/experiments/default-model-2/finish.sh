#!/usr/bin/env bash
# Finishes a training of hpcm-nano-2: larger crops while the learning rate falls, then the decoder side on truly rounded
# latents with the encoder frozen. The run is untouched and can go on.
#   docs/experiments/default-model-2/finish.sh RUN TRAIN VAL OUT      TRAIN and VAL are folders of images
# STEPS is the length of each of both phases. Interrupted, the same command goes on.
set -euo pipefail
run=$1 train=$2 val=$3 out=$4 steps=${STEPS:-5000}
if [ -d "$out/large/checkpoints" ]; then
  hpcmbal train --checkpoint "$out/large"
else
  hpcmbal train --checkpoint "$run" --cooldown "$steps" --patch-size 256 --batch-size 4 --save-path "$out/large"
fi
if [ -d "$out/rounded/checkpoints" ]; then
  hpcmbal train --checkpoint "$out/rounded"
else
  hpcmbal train --preset finetune-rounded-nano --model-name hpcm-nano-2 --init-from "$out/large" --init-strict \
    --max-steps "$steps" --set loss.lmbda_power=0.8 --set data.drawn_fraction=0.1 \
    --train-data "$train" --val-data "$val" --save-path "$out/rounded"
fi
