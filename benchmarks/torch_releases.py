"""Do files decode to the same symbols with other releases of PyTorch? One fresh environment for each.

    python benchmarks/torch_releases.py 2.9.1 2.14.1 --golden GOLDEN --work FOLDER

Needs the package index and about 6 GB of disk for each release. hpcm-nano, and with --golden hpcm-base with the weights
of GOLDEN/fill.py, code latents in every environment; symbols and bytes must be equal, and every environment must decode
what the first one wrote. Exits with 1 if they differ.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DIGEST = REPOSITORY / "tests" / "integration" / "codec" / "exactness_digest.py"


def environment(release: str, work: Path) -> Path:
    """The interpreter of an environment with this release of PyTorch and this package; made if it is not there."""
    python = work / f"torch-{release}" / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", f"torch=={release}", str(REPOSITORY)], check=True)
    return python


def digest(python: Path, *arguments: str) -> str:
    """What the digest script prints there."""
    command = [str(python), "-W", "ignore", str(DIGEST), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=python.parent).stdout


def main() -> None:
    """Compare, print, exit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", nargs="+")
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    work = options.work.resolve()
    pythons = {release: environment(release, work) for release in options.releases}
    models = {"hpcm-nano": []}
    if options.golden:
        models["hpcm-base"] = ["--golden", str(options.golden.resolve()), "--height", "32", "--width", "32"]
    same = True
    for model, arguments in models.items():
        written = str(work / f"{model}.json")
        expected = digest(pythons[options.releases[0]], model, *arguments, "--write", written)
        for release, python in pythons.items():
            coded = digest(python, model, *arguments) == expected
            decoded = digest(python, model, *arguments, "--read", written) == expected
            same = same and coded and decoded
            print(
                f"{model}, torch {release}: encodes {'the same' if coded else 'DIFFERENTLY'}, "
                f"decodes torch {options.releases[0]}'s file {'to the same symbols' if decoded else 'DIFFERENTLY'}"
            )
    sys.exit(not same)


if __name__ == "__main__":
    main()
