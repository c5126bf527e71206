#!/usr/bin/env bash
# Is lambda kept? hpcm-nano trained for about five minutes at two lambdas in each balancing mode; results on cid22/val.
#   docs/experiments/lambda/run.sh DATA OUT     DATA holds cid22/train and cid22/val
set -euo pipefail
data=$1 out=$2
run() { # name, lambda, then arguments
  local name=$1 lambda=$2; shift 2
  [ -d "$out/$name/lmbda-$lambda" ] || hpcmbal train --preset hierarchical-nano --lambda "$lambda" \
    --train-data "$data/cid22/train" --val-data "$data/cid22/val" --max-steps 1000 --learning-rate 3e-3 \
    --set training.num_threads=1 --set training.precision=bfloat16 --set output.validate_every=100000 \
    --save-path "$out/$name/lmbda-$lambda" "$@"
}
for lambda in 0.0035 0.025; do
  run log "$lambda" --set balancing.name=log --set balancing.preserve_lambda=false
  run log1p "$lambda" --set balancing.name=log1p
  run linear "$lambda"
  run log-preserved "$lambda" --set balancing.name=log
  run log1p-not-preserved "$lambda" --set balancing.name=log1p --set balancing.preserve_lambda=false
  run linear-not-preserved "$lambda" --set balancing.preserve_lambda=false
done
python "$(dirname "$0")/table.py" "$out"
