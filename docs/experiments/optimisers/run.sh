#!/usr/bin/env bash
# Adam and SOAP on hpcm-nano, each at its best learning rate of a short search on cid22/val; then J on Kodak.
#   docs/experiments/optimisers/run.sh DATA OUT     DATA holds cid22/train, cid22/val and kodak
set -euo pipefail
data=$1 out=$2
run() { # name, then arguments
  local name=$1; shift
  hpcmbal train --preset standard-nano --train-data "$data/cid22/train" --val-data "$data/cid22/val" \
    --set training.num_threads=1 --set output.validate_every=100000 --save-path "$out/$name" "$@"
}
for rate in 1e-3 3e-3 5e-3 1e-2; do run "search-adam-$rate" --set optimizer.name=adam --learning-rate $rate --max-steps 300; done
for rate in 1.5e-3 3e-3 6e-3 1e-2; do run "search-soap-$rate" --set optimizer.name=soap --learning-rate $rate --max-steps 300; done
run adam --set optimizer.name=adam --learning-rate 3e-3 --max-steps 1500
run soap --set optimizer.name=soap --learning-rate 6e-3 --max-steps 1500
hpcmbal plot-run "$out/adam" "$out/soap" -o "$out/optimisers.png"
python "$(dirname "$0")/evaluate.py" "$data/kodak" "$out/adam" "$out/soap"
