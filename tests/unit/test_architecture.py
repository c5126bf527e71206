"""The shape of the code: imports point down one list, and the command line starts without its heavy libraries."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "hpcmbal"
ROOT = Path(__file__).resolve().parents[2] / PACKAGE

LAYERS = (
    "cli",
    "ablation",
    "evaluation",
    "plotting",
    "training",
    "codec",
    "interop",
    "model_files",
    "data",
    "images",
    "core",
    "engines",
    "settings",
    "output_checks",
    "atomic_file",
    "errors",
    "visible_text",
)
"""Top to bottom: a module may import its own layer and those after it."""

OPTION = re.compile(r"(^|[ ('`])--[a-z]")

HEAVY = frozenset(
    {
        "compressai",
        "matplotlib",
        "numpy",
        "pandas",
        "pytorch_msssim",
        "pytorch_optimizer",
        "scipy",
        "skimage",
        "torch",
        "torchvision",
    }
)
"""Libraries that take long to import; the command line's start and the settings do without them."""


@dataclass(frozen=True)
class Import:
    """One imported module: by whom, and in which line."""

    importer: str
    target: str
    line: int


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def targets(node: ast.Import | ast.ImportFrom, path: Path, root: Path) -> list[str]:
    """Full names of what a statement imports; `from package import module` counts as the module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = path.parent.relative_to(root.parent).parts
        above = package[: len(package) - node.level + 1]
        base = ".".join([*above, *([node.module] if node.module else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def imports_of(root: Path) -> list[Import]:
    """Every import in every module below `root`, those inside functions and under TYPE_CHECKING too."""
    found = []
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                found += [Import(module_name(path, root), name, node.lineno) for name in targets(node, path, root)]
    return found


def layer_of(module: str) -> str | None:
    """The layer of a module of the package; None for the package's own `__init__` and `__main__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else None


def upward_imports(imports: list[Import]) -> list[str]:
    """Imports, at any place in a module, of a layer above the importer's."""
    problems = []
    for found in imports:
        if found.target.split(".")[0] != PACKAGE:
            continue
        importer, target = layer_of(found.importer), layer_of(found.target)
        if importer is None or found.target == f"{PACKAGE}.__version__":
            continue
        where = f"{found.importer}:{found.line} imports {found.target}"
        if target is None:
            problems.append(f"{where}, the package's facade, which is above every layer")
        elif LAYERS.index(target) < LAYERS.index(importer):
            problems.append(f"{where}: {target} is above {importer}")
    return problems


def run_python(program: str) -> dict[str, object]:
    """Run a program in a fresh interpreter; it prints one JSON object as its last line."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT.parent)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return imports_of(ROOT)


def test_imports_point_down(imports: list[Import]) -> None:
    assert upward_imports(imports) == []


def test_every_module_belongs_to_a_layer() -> None:
    names = [module_name(path, ROOT) for path in ROOT.rglob("*.py")]
    outside = {name for name in names if layer_of(name) is None}
    assert outside <= {PACKAGE, f"{PACKAGE}.__main__"}


def test_the_bitstream_is_bytes_only(imports: list[Import]) -> None:
    bitstream = [f for f in imports if f.importer.startswith(f"{PACKAGE}.codec.bitstream")]
    assert [f for f in bitstream if f.target.split(".")[0] in HEAVY - {"numpy"}] == []


@pytest.mark.parametrize("layer", ["cli", "settings", "errors", "visible_text"])
def test_no_heavy_library_at_import_time(layer: str) -> None:
    """Imports every module of the layer, so that what they import in turn counts too."""
    names = [name for path in ROOT.rglob("*.py") if layer_of(name := module_name(path, ROOT)) == layer]
    assert names
    loaded = run_python(
        "import importlib, json, sys\n"
        f"for name in {sorted(names)!r}: importlib.import_module(name)\n"
        f"print(json.dumps(dict(heavy=sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))))"
    )
    assert loaded["heavy"] == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_does_not_load_heavy_libraries(arguments: list[str]) -> None:
    seen = run_python(
        "import json, sys\n"
        f"sys.argv = ['hpcmbal', *{arguments!r}]\n"
        "from hpcmbal.cli.app import main\n"
        "try: code = main()\n"
        "except SystemExit as left: code = left.code\n"
        f"print(json.dumps(dict(code=code, heavy=sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))))"
    )
    assert seen["code"] in (None, 0)
    assert seen["heavy"] == []


CODING_LAYERS = {
    "atomic_file", "cli", "codec", "core", "errors", "images", "model_files", "output_checks", "settings",
    "visible_text",
}  # fmt: skip

COMMANDS: dict[str, tuple[list[str], set[str], set[str]]] = {
    "presets": (["presets", "list"], set(), {"cli", "codec", "errors", "images", "settings", "visible_text"}),
    "info": (["info", "{hpcm}"], set(), CODING_LAYERS - {"model_files"}),
    "compress": (["compress", "{png}", "-o", "{out}/a.hpcm"], {"numpy", "torch"}, CODING_LAYERS),
    "decompress": (["decompress", "{hpcm}", "-o", "{out}/a.png"], {"numpy", "torch"}, CODING_LAYERS),
    "export-checkpoint": (["export-checkpoint", "hpcm-nano", "-o", "{out}/a.pth"], {"numpy", "torch"}, CODING_LAYERS),
    "reconstruct": (
        ["reconstruct", "{png}", "--model", "hpcm-nano", "-o", "{out}/a.png"],
        {"numpy", "torch"},
        CODING_LAYERS | {"data", "evaluation", "plotting"},
    ),
}
"""What a command may import: of the libraries that take long, and of our own layers."""

NEVER = frozenset({"sympy", "torch._dynamo", "hpcmbal.core.loss", "hpcmbal.core.optim", "hpcmbal.core.balance"})
"""What none of these commands needs: torch's compiler, which arithmetic on the meta device brings, and what trains."""


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A picture, and the file that it becomes."""
    import numpy as np
    from PIL import Image

    import hpcmbal

    folder = tmp_path_factory.mktemp("coded")
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    image.save(folder / "a.png")
    (folder / "a.hpcm").write_bytes(hpcmbal.compress(image))
    return {"png": folder / "a.png", "hpcm": folder / "a.hpcm"}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_what_it_needs_and_no_more(name: str, coded: dict[str, Path], tmp_path: Path) -> None:
    arguments, libraries, layers = COMMANDS[name]
    arguments = [argument.format(out=tmp_path, **coded) for argument in arguments]
    seen = run_python(
        "import json, sys\n"
        f"sys.argv = ['hpcmbal', *{arguments!r}]\n"
        "from hpcmbal.cli.app import main\n"
        "code = main()\n"
        "print()\n"
        f"loaded = sorted(set({sorted(HEAVY | NEVER)!r}) & set(sys.modules))\n"
        "layers = sorted({name.split('.')[1] for name in sys.modules if name.startswith('hpcmbal.')})\n"
        "print(json.dumps(dict(code=code, loaded=loaded, layers=layers)))"
    )
    assert seen["code"] == 0
    assert set(seen["loaded"]) <= libraries  # type: ignore[call-overload]
    assert set(seen["layers"]) <= layers  # type: ignore[call-overload]


OTHER_PROGRAMS = {"data.bundled", "data.drawn.fonts", "engines.ray_connection"}
"""Whose errors name options of pip and of Ray."""


def test_errors_call_settings_what_the_reader_calls_them() -> None:
    """Below the command line and its tables, an error mentions a setting by `errors.setting`, not as an option."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = module_name(path, ROOT)
        if layer_of(name) in ("cli", "settings") or name.removeprefix(f"{PACKAGE}.") in OTHER_PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise):
                texts = [
                    part for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                found += [f"{name}:{text.lineno}" for text in texts if OPTION.search(str(text.value))]
    assert found == []


class TestTheCheckItself:
    """On a small package made for the purpose, so that a check that finds nothing is known to look."""

    @staticmethod
    def problems(tmp_path: Path, module: str, source: str) -> list[str]:
        path = tmp_path / PACKAGE / module
        path.parent.mkdir(parents=True)
        path.write_text(source, encoding="utf-8")
        return upward_imports(imports_of(tmp_path / PACKAGE))

    @pytest.mark.parametrize(
        "source",
        [
            "import hpcmbal.training.trainer",
            "from hpcmbal.training import trainer",
            "from hpcmbal import training",
            "from ..training import trainer",
            "from ..training.trainer import Trainer",
            "def late():\n    from hpcmbal.training import trainer",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hpcmbal.training import trainer",
        ],
    )
    def test_finds_an_import_that_points_up(self, tmp_path: Path, source: str) -> None:
        (problem,) = self.problems(tmp_path, "core/loss.py", source)
        assert "training is above core" in problem

    def test_finds_an_import_of_the_facade(self, tmp_path: Path) -> None:
        (problem,) = self.problems(tmp_path, "core/loss.py", "from hpcmbal import compress")
        assert "facade" in problem

    @pytest.mark.parametrize(
        "source",
        [
            "from hpcmbal.errors import DataError",
            "from . import model",
            "from hpcmbal import __version__",
            "import torch",
        ],
    )
    def test_lets_the_rest_pass(self, tmp_path: Path, source: str) -> None:
        assert self.problems(tmp_path, "core/loss.py", source) == []
