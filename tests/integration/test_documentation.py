"""What the documents show is true: Python blocks run, commands parse, public names are in the reference."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

import hpcmbal
from hpcmbal.cli.app import COMMANDS
from hpcmbal.cli.spelling import accept_prototype_spelling

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WITH_PYTHON = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8") and page.name != "onnx.md"]
"""The program of onnx.md runs in tests/unit/interop/onnx, where the files are that it reads."""
SHORTER = {"seeds=2, max_steps=200": "seeds=1, max_steps=1"}
"""Lengths that are cut when a page's blocks run."""
USAGE_ERROR = typer.BadParameter.__mro__[1]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def commands(page: Path) -> list[str]:
    """The command lines of a page's shell blocks, without comments, redirections and what follows a pipe."""
    lines = [line for text in blocks(page, "bash") for line in text.replace("\\\n", " ").splitlines()]
    parts = [part for line in lines for part in re.split(r"&&|\|", re.sub(r"(^|\s)#.*", "", line))]
    return [re.sub(r"\s[12]?>.*", "", part).strip() for part in parts if part.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the blocks speak of."""
    path = tmp_path_factory.mktemp("documents")
    generator = np.random.default_rng(0)
    for name in ("photo.png", "photographs/a.png", "photographs/b.png", "kodak/a.png"):
        (path / name).parent.mkdir(exist_ok=True)
        smooth = Image.fromarray(generator.integers(0, 256, (6, 6, 3)).astype(np.uint8))
        smooth.resize((192, 192), Image.Resampling.BICUBIC).save(path / name)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_python_blocks_of_a_page_run_one_after_another(page: Path, folder: Path) -> None:
    program = "import torch\ntorch.set_num_threads(1)\n" + "\n".join(blocks(page, "python"))
    for long, short in SHORTER.items():
        program = program.replace(long, short)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def all_commands() -> list[tuple[str, str]]:
    return [(page.name, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize(("page", "command"), all_commands(), ids=lambda text: text[:60])
def test_every_command_parses(page: str, command: str) -> None:
    words = shlex.split(command)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        del words[0]
    program, *arguments = words
    name = Path(program).name
    if name == "hpcmbal":
        check_arguments(arguments)
    elif name == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in (word for word in arguments if "=" not in word):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    elif name.startswith("python") and arguments and arguments[0].endswith(".py"):
        assert (ROOT / arguments[0]).is_file(), arguments[0]
    elif name.startswith("python") and arguments[:1] == ["-m"] and arguments[1].startswith("hpcmbal"):
        importlib.import_module(arguments[1]) if arguments[1] != "hpcmbal" else check_arguments(arguments[2:])


def check_arguments(arguments: list[str]) -> None:
    """Parse a command line as click does, without looking for its files and without running it."""
    arguments = accept_prototype_spelling(arguments)
    if not arguments or arguments[0].startswith("-"):
        return
    command = typer.main.get_command(importlib.import_module(COMMANDS[arguments[0]].module).app)
    rest = arguments[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    command.make_parser(typer.Context(command, info_name=arguments[0])).parse_args(list(rest))


def test_a_command_with_an_option_that_does_not_exist_is_found() -> None:
    with pytest.raises(USAGE_ERROR, match="--no-such-option"):
        check_arguments(["compress", "photo.png", "--no-such-option"])


def test_every_public_name_is_in_the_reference() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    documented = {line.removeprefix("::: ").strip() for line in page.splitlines() if line.startswith("::: ")}
    homes = {}
    for name, home in hpcmbal._HOMES.items():
        module, _, own_name = home.partition(":")
        homes[name] = f"hpcmbal.{module}.{own_name or name}"
    assert set(homes) == set(hpcmbal.__all__)
    assert {name for name, home in homes.items() if home not in documented} == set()
    for path in documented:
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name).__doc__


def test_links_of_the_site_lead_to_files_in_it() -> None:
    docs = ROOT / "docs"
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in sorted(docs.rglob("*.md"))
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (found := (page.parent / target).resolve()).exists() or not found.is_relative_to(docs)
    ]
    assert broken == []


def test_every_page_is_in_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in sorted((ROOT / "docs").glob("*.md")) if f" {page.name}\n" not in navigation] == []
