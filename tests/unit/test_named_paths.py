"""Every file and module that the build, the scripts and the pages name is in the tree.

    Makefile, CI, deploy/, Compose, pyproject.toml, pages --words--> paths, `python -m` modules --is it there?--> what is missing

A move of files breaks these silently: no import names them. Law: what is named exists, or `MADE` says which command makes it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.support.source_tree import ROOT, docstrings, files_of, packages

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "models").rglob("*.md"),
        *(ROOT / "samples").rglob("*.md"),
    ]
)
SCRIPTS = [
    path
    for path in sorted(
        [
            ROOT / "Makefile",
            ROOT / "docker-compose.yml",
            ROOT / "pyproject.toml",
            ROOT / "setup.py",
            *(ROOT / ".ci").rglob("*"),
            *(ROOT / "deploy").rglob("*"),
            *(ROOT / "requirements").rglob("*.in"),
            *(ROOT / "tests").rglob("*.sh"),
        ]
    )
    if path.is_file() and path.suffix not in {".json", ".pyc"}
]
MADE = (
    "out/",
    "dist/",
    "build/",
    "work/",
    "certificates/",
    ".venv",
    "shared/wire/",
    "taxon/shipped/",
    "deploy/alertmanager/secrets/",
)
"""What a command makes, or an operator."""
WIRE_NAMES = ("taxon.v1", "taxon.alive", "taxon.token", "taxon.wall")
"""Names in protocols that look like modules of the command."""
TOPS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
_MODULE = re.compile(r"""(?:python[\d.]*|/python\)?)["',\s]+-m["',\s]+(?P<name>[A-Za-z_][\w.]*)""")
_RUN = re.compile(r"""["']-m["'],\s*["']((?:PACKAGES)(?:\.\w+)*)["']""".replace("PACKAGES", "|".join(packages())))
_PATH = re.compile(r"(?<![\w./$}:@<>-])(?:\./)?(?P<path>[\w.-]+(?:/[\w.*<>{}$-]+)+/?)")
_QUOTED = re.compile(r"`(?P<text>[^`\n]+)`")
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(?P<title>.+)$", re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules(text: str) -> Iterator[str]:
    """Give each module of ours that a text runs with `python -m`."""
    for found in _MODULE.finditer(text):
        name = found["name"].rstrip(".")
        if name.partition(".")[0] in packages():
            yield name


def module_exists(name: str) -> bool:
    """Return True where this is a module that can be run: a file, or a package with `__main__`."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def paths(text: str) -> Iterator[str]:
    """Give each relative path in a text whose first part is a folder of the tree."""
    for found in _PATH.finditer(text):
        path = found["path"].rstrip(".")
        if PurePosixPath(path).parts[0] in TOPS and not path.startswith(MADE):
            yield path


def path_exists(path: str) -> bool:
    """Return True where the path, or one that its placeholders stand for, is in the tree; a test may be named without `.py`."""
    pattern = re.sub(r"<[^>]*>|\$\{[^}]*\}|\$\w+|\b[A-Z]{3,}\b(?!\.)", "*", path.rstrip("/"))
    return any(any(ROOT.glob(one)) for one in (path.rstrip("/"), pattern, f"{pattern}.py"))


def places_named(text: str) -> Iterator[str]:
    """Give each dotted name in backticks that begins with a package of ours, without those of protocols."""
    for found in _QUOTED.finditer(text):
        name = found["text"]
        if (
            re.fullmatch(r"\w+(?:\.\w+)+", name)
            and name.partition(".")[0] in packages()
            and not name.startswith(WIRE_NAMES)
        ):
            yield name


def place_exists(name: str) -> bool:
    """Return True for a module, or for what a module defines: of that, the module alone is looked for."""
    parts = name.split(".")
    module = ROOT.joinpath(*parts)
    return (
        module.is_dir()
        or module.with_suffix(".py").is_file()
        or module.parent.with_suffix(".py").is_file()
        or (len(parts) > 3 and module.parent.parent.with_suffix(".py").is_file())
    )


def in_backticks(page: str) -> Iterator[str]:
    """Give each text in backticks, and each line of a block of code."""
    for block in _CODE.finditer(page):
        yield from block[0].splitlines()
    yield from (found["text"] for found in _QUOTED.finditer(_CODE.sub("", page)))


def anchor(title: str) -> str:
    """Return the anchor that a heading gets on a code host."""
    kept = re.sub(r"[^\w\- ]", "", title.strip().lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_what_a_script_names_is_there(script: Path) -> None:
    text = script.read_text()
    missing = [name for name in modules(text) if not module_exists(name)]
    missing += [path for path in paths(text) if not path_exists(path) and not (script.parent / path).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    missing = [name for name in modules(text) if not module_exists(name)]
    missing += [name for name in places_named(text) if not place_exists(name)]
    quoted = list(in_backticks(text))
    missing += [path for one in quoted for path in paths(one) if not path_exists(path)]
    # A file's bare name: somewhere in the tree.
    bare = sorted(
        {one for one in quoted if re.fullmatch(r"\w+\.(?:py|sh|proto)", one)}
        | {f"{one}.py" for one in quoted if re.fullmatch(r"test_\w+", one)}
    )
    missing += [one for one in bare if not any(any((ROOT / top).rglob(one)) for top in TOPS)]
    assert not missing


@pytest.mark.parametrize("package", packages())
def test_the_modules_that_python_sources_name_in_texts_are_there(package: str) -> None:
    missing = []
    for file in files_of([package]):
        text = file.read_text()
        missing += [f"{name_of(file)}: {name}" for name in modules(text) if not module_exists(name)]
        missing += [f"{name_of(file)}: {name}" for name in _RUN.findall(text) if not module_exists(name)]
        named = [name for _, docstring in docstrings(file) for name in places_named(docstring)]
        missing += [f"{name_of(file)}: {name}" for name in named if not place_exists(name)]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_links_to_what_is_there(page: Path) -> None:
    missing = []
    for found in _LINK.finditer(page.read_text()):
        target, _, part = found["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        there = (page.parent / target).resolve() if target else page
        if not there.exists():
            missing.append(found["target"])
        elif part and there.suffix == ".md":
            titles = [anchor(heading["title"]) for heading in _HEADING.finditer(_CODE.sub("", there.read_text()))]
            if part not in titles:
                missing.append(found["target"])
    assert not missing


def test_what_the_project_file_names_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tools = project["tool"]
    for pattern in tools["setuptools"]["packages"]["find"]["include"]:
        assert list(ROOT.glob(f"{pattern}/__init__.py")) or list(ROOT.glob(pattern)), pattern
    for package, patterns in tools["setuptools"]["package-data"].items():
        folder = ROOT if package == "*" else ROOT.joinpath(*package.split("."))
        assert folder.is_dir(), package
        for pattern in patterns:
            files = folder.rglob(pattern) if package == "*" else folder.glob(pattern)
            assert any(True for _ in files), f"{package}: {pattern}"
    for package in tools["mypy"]["packages"]:
        assert ROOT.joinpath(*package.split(".")).is_dir(), package
    for override in tools["mypy"]["overrides"]:
        ours = [name.removesuffix(".*") for name in override["module"] if name.partition(".")[0] in packages()]
        assert all(ROOT.joinpath(*name.split(".")).exists() for name in ours), ours
    for script in project["project"]["scripts"].values():
        module, _, function = script.partition(":")
        file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        assert re.search(rf"^def {function}\(", file.read_text(), re.MULTILINE), script
    for folder in [
        *tools["pytest"]["ini_options"]["testpaths"],
        *project["project"]["license-files"],
        project["project"]["readme"],
    ]:
        assert (ROOT / folder).exists(), folder


def test_the_folders_of_the_makefile_are_there() -> None:
    [line] = re.findall(r"^PACKAGES := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert all((ROOT / name).is_dir() for name in line.split()), line
