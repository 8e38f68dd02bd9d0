"""The repository as a stranger gets it: licensed, locked without a place, each layer named once."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import tidy

ROOT = tidy.ROOT
RUNTIME = ROOT / "requirements.txt"
TOOLS = ROOT / "requirements-dev.txt"
PIN = re.compile(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==(\S+)", re.M)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(path: Path) -> dict[str, str]:
    found = dict(PIN.findall(path.read_text(encoding="utf-8")))
    assert len(found) > 10, f"{path.name} locks next to nothing"
    return found


def wanted(path: Path) -> set[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    names = {re.split(r"[\[<>=~!;]", line)[0].strip().lower() for line in lines}
    return {name for name in names if name and not name.startswith(("#", "-"))}


def test_both_locks_name_the_same_releases() -> None:
    runtime, tools = pins(RUNTIME), pins(TOOLS)
    assert runtime.items() <= tools.items()


def test_everything_wanted_is_locked() -> None:
    assert wanted(ROOT / "requirements.in") <= pins(RUNTIME).keys()
    assert wanted(ROOT / "requirements-dev.in") <= pins(TOOLS).keys()


def test_tools_stay_out_of_the_runtime() -> None:
    only_for_tools = wanted(ROOT / "requirements-dev.in")
    assert not only_for_tools & pins(RUNTIME).keys()


def test_every_package_has_its_layer() -> None:
    contracts = {c["id"]: c for c in project()["tool"]["importlinter"]["contracts"]}
    named = re.findall(r"\w+", " ".join(contracts["layers"]["layers"]))
    packages = {path.parent.name for path in (ROOT / "src/largesse").glob("*/__init__.py")}
    assert len(named) == len(set(named))
    assert packages <= set(named)


def test_the_makefile_lists_its_targets() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "check", "bench", "lock", "screens", "venv"):
        assert f"make {target}" in listed.stdout


def test_the_makefile_runs_programs_that_exist() -> None:
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    programs = re.findall(r"\$\(BIN\)/python (\S+\.py)", recipes)
    assert "tools/tidy.py" in programs
    assert [name for name in programs if not (ROOT / name).is_file()] == []


def test_all_python_is_type_checked() -> None:
    checked = set(project()["tool"]["mypy"]["files"])
    assert {path.parts[0] for path in tidy.tracked_files(ROOT) if path.suffix == ".py"} <= checked


def test_the_ci_script_parses() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111, "not executable"
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_licence_is_whole() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
