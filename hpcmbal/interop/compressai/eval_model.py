"""CompressAI's `eval_model` with the variants of HPCM among its architectures.

`python -m hpcmbal.interop.compressai.eval_model checkpoint IMAGES -a hpcm-nano -p weights.pt` takes the same arguments
as `python -m compressai.utils.eval_model`, which knows only the models that were imported before it.
"""

from __future__ import annotations

import runpy

from hpcmbal.interop.compressai import add_to_zoo

if __name__ == "__main__":
    add_to_zoo()
    runpy.run_module("compressai.utils.eval_model", run_name="__main__", alter_sys=True)
