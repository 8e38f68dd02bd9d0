"""Every house rule refuses its bad sample, and lets its good sample through."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

import tidy
from tidy_rules import (
    TEXT_RULES,
    TREE_RULES,
    django_use,
    docstrings,
    floats,
    names,
    ownership,
    purity,
    repository,
    shape,
    templates,
)
from tidy_rules.findings import Finding, TextRule, TreeRule


@dataclass(frozen=True)
class Sample:
    """A rule, a file that breaks it (on a line), and one that keeps it."""

    rule: TreeRule | TextRule
    path: str
    bad: str
    good: str
    line: int = 1
    good_path: str | None = None


RULES_PY = "src/largesse/gifting/rules.py"
LEDGER_PY = "src/largesse/ledger/lots.py"
MODELS_PY = "src/largesse/recharge/models.py"
VIEWS_PY = "src/largesse/web/store/views.py"
PAGE = "src/largesse/web/templates/store/store.html"
REGISTRY = "py" + "pi.org"

TREES = {
    "a function of 71 lines": Sample(
        shape.function_length,
        VIEWS_PY,
        "def f():\n" + "    x = 1\n" * 70,
        "def f():\n" + "    x = 1\n" * 69,
    ),
    "a method counts as a function": Sample(
        shape.function_length,
        VIEWS_PY,
        "class A:\n    async def f(self):\n" + "        x = 1\n" * 70,
        "class A:\n" + "    x = 1\n" * 200,
        line=2,
    ),
    "a module of leftovers": Sample(
        names.module_and_class_words,
        "src/largesse/web/date_utils.py",
        "",
        "",
        good_path="src/largesse/web/dates.py",
    ),
    "a class that manages": Sample(
        names.module_and_class_words,
        VIEWS_PY,
        "class RoomManager: ...",
        "class Managed: ...",
    ),
    "a function that handles": Sample(
        names.function_verbs,
        VIEWS_PY,
        "def handle_gift(): ...",
        "def send_gift(): ...",
    ),
    "a hook of a library, outside of its class": Sample(
        names.function_verbs,
        VIEWS_PY,
        "def process_view(): ...",
        "class TestClockMiddleware:\n    def process_view(self): ...",
    ),
    "a private function that processes": Sample(
        names.function_verbs,
        VIEWS_PY,
        "class A(B):\n    def _process_all(self): ...",
        "class A(B):\n    def handle(self): ...",
        line=2,
    ),
    "a module without a word": Sample(
        docstrings.module_docstring, VIEWS_PY, "x = 1", '"""Owns x."""\nx = 1'
    ),
    "a package without a word": Sample(
        docstrings.module_docstring,
        "src/largesse/gifting/__init__.py",
        "",
        "",
        good_path="src/largesse/people/management/commands/__init__.py",
    ),
    "a public function without a word": Sample(
        docstrings.public_docstrings,
        VIEWS_PY,
        "def store(): ...",
        'def store():\n    """The store."""\ndef _price(): ...',
    ),
    "a public class without a word": Sample(
        docstrings.public_docstrings,
        VIEWS_PY,
        "x = 1\nclass Store: ...",
        'class Store:\n    """The store."""\n    def rows(self): ...',
        line=2,
    ),
    "a float literal": Sample(floats.no_float, MODELS_PY, "share = 0.5", "share = 5000"),
    "a call of float": Sample(
        floats.no_float,
        MODELS_PY,
        "share = float(text)",
        "if isinstance(amount, float | bool):\n    raise TypeError",
    ),
    "a float annotation": Sample(
        floats.no_float,
        "src/largesse/catalog/rules.py",
        "def price(amount: float) -> int: ...",
        "def price(amount: float) -> int: ...",
        good_path="src/largesse/live/rooms.py",
    ),
    "a true division": Sample(
        floats.no_true_division, LEDGER_PY, "half = whole / 2", "half, rest = divmod(whole, 2)"
    ),
    "an impure import": Sample(
        purity.pure_modules, RULES_PY, "import os.path", "import datetime", line=1
    ),
    "an impure import of one name": Sample(
        purity.pure_modules,
        LEDGER_PY,
        "from random import choice",
        "from largesse.money.assets import Asset",
    ),
    "a random id": Sample(
        purity.pure_modules,
        "src/largesse/money/ids.py",
        "import uuid\nkey = uuid.uuid4()",
        "import uuid\nkey = uuid.UUID(text)",
        line=2,
    ),
    "a pure module that prints": Sample(
        purity.pure_modules,
        LEDGER_PY,
        "def f(lot):\n    print(lot)",
        "def f(lot):\n    return lot.open()",
        line=2,
    ),
    "a clock read": Sample(
        purity.clock_reads,
        VIEWS_PY,
        "from datetime import UTC, datetime as moment\nnow = moment.now(UTC)",
        "from largesse.adapters import clock\nnow = clock.now()",
        line=2,
    ),
    "a clock handed on": Sample(
        purity.clock_reads,
        MODELS_PY,
        "from django.utils import timezone\nat = DateTimeField(default=timezone.now)",
        "from django.utils import timezone\nat = timezone.make_aware(noon)",
        line=2,
    ),
    "a clock read beside the clock": Sample(
        purity.clock_reads,
        "src/largesse/adapters/clock_offset.py",
        "import time\nnow = time.time_ns()",
        "import time\nnow = time.time_ns()",
        line=2,
        good_path="src/largesse/adapters/clock.py",
    ),
    "a signal": Sample(
        django_use.no_signals,
        VIEWS_PY,
        "from django.db.models.signals import post_save",
        "from django.db.models import F",
    ),
    "a receiver": Sample(
        django_use.no_signals, VIEWS_PY, "import django.dispatch", "import signal"
    ),
    "logic in save": Sample(
        django_use.no_logic_in_save,
        MODELS_PY,
        "class Order(Model):\n    def save(self, *args): ...",
        "class Order(Model):\n    def is_open(self): ...",
        line=2,
    ),
    "a key into another package, by label": Sample(
        django_use.no_foreign_key_across_packages,
        MODELS_PY,
        'fan = models.ForeignKey("people.Holder", on_delete=PROTECT)',
        'quote = models.ForeignKey("recharge.Quote", on_delete=PROTECT)',
    ),
    "a key into another package, by class": Sample(
        django_use.no_foreign_key_across_packages,
        MODELS_PY,
        "from largesse.people.models import Holder\nfan = OneToOneField(to=Holder)",
        "from largesse.recharge.models import Quote\nquote = OneToOneField(to=Quote)",
        line=2,
    ),
    "a key to the login": Sample(
        django_use.no_foreign_key_across_packages,
        MODELS_PY,
        "fan = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=PROTECT)",
        "fan = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=PROTECT)",
        good_path="src/largesse/people/models.py",
    ),
    "a key in a migration": Sample(
        django_use.no_foreign_key_across_packages,
        "src/largesse/recharge/migrations/0001_initial.py",
        'field = models.ForeignKey(on_delete=PROTECT, to="catalog.coinpackage")',
        'field = models.ForeignKey(on_delete=PROTECT, to="recharge.quote")',
    ),
    "groups of a model that is no login": Sample(
        django_use.no_foreign_key_across_packages,
        MODELS_PY,
        'groups = models.ManyToManyField("auth.Group")',
        'groups = models.ManyToManyField("auth.Group")',
        good_path="src/largesse/people/migrations/0001_initial.py",
    ),
    "a transaction in a view": Sample(
        django_use.transactions_in_services,
        VIEWS_PY,
        "from django.db import transaction\n@transaction.atomic\ndef store(): ...",
        "from django.db import transaction\ntransaction.on_commit(send)",
        line=2,
    ),
    "a transaction under another name": Sample(
        django_use.transactions_in_services,
        VIEWS_PY,
        "from django.db.transaction import atomic as one\nwith one(): ...",
        "from django.db.transaction import atomic as one\nwith one(): ...",
        line=2,
        good_path="src/largesse/recharge/services.py",
    ),
    "a foreign write in a string": Sample(
        ownership.sql_in_python,
        VIEWS_PY,
        'sql = f"""WITH x AS (SELECT 1)\n  UPDATE people_holder SET handle = {h}"""',
        'sql = "SELECT 1 FROM people_holder FOR UPDATE OF people_holder"',
        line=2,
    ),
    "a write of the ledger outside the posting store": Sample(
        ownership.sql_in_python,
        "src/largesse/live/intake.py",
        'sql = "insert into ledger_gift values (1)"',
        '"""What it does: INSERT INTO ledger_gift, by the posting store."""',
    ),
    "a model of another package created": Sample(
        ownership.model_writes,
        VIEWS_PY,
        "from largesse.people.models import Holder\nHolder.objects.create(id=1)",
        "from largesse.people.models import Holder\nHolder.objects.filter(id=1).first()",
        line=2,
    ),
    "rows of another package updated": Sample(
        ownership.model_writes,
        VIEWS_PY,
        "from largesse.people.models import Holder\nHolder.objects.filter(id=1).update(handle='a')",
        "from largesse.people.models import Holder\nHolder.objects.filter(id=1).update(handle='a')",
        line=2,
        good_path="src/largesse/people/services.py",
    ),
}

TEXTS = {
    "a module of 501 lines": Sample(
        shape.module_length, VIEWS_PY, "x = 1\n" * 501, "x = 1\n" * 500, line=501
    ),
    "a line of 101 characters": Sample(
        shape.line_length, "src/largesse/web/static/a.css", "\n" + "a" * 101, "a" * 100, line=2
    ),
    "a foreign write in a file": Sample(
        ownership.sql_in_files,
        "src/largesse/people/sql/seed.sql",
        "-- A comment.\nDELETE FROM ledger_gift;",
        "-- UPDATE ledger_gift\nUPDATE people_holder SET handle = 'a';",
        line=2,
    ),
    "an inline style": Sample(
        templates.no_inline_code, PAGE, '<p\n style="color: red">', '<p data-style="red">', line=2
    ),
    "an inline style block": Sample(
        templates.no_inline_code, PAGE, "<style>p {}</style>", '<link rel="stylesheet">'
    ),
    "an inline script": Sample(
        templates.no_inline_code,
        PAGE,
        "<script>go()</script>",
        '<script type="application/json">{}</script><script defer src="a.js"></script>',
    ),
    "an inline handler": Sample(
        templates.no_inline_code,
        PAGE,
        '<button onclick="go()">',
        '{# <button onclick="go()"> #}<button data-on="1">',
    ),
    "the console's framework": Sample(
        templates.no_inline_code,
        PAGE,
        "<script>go()</script>",
        "<script>go()</script>",
        good_path="src/largesse/web/templates/console/index.html",
    ),
    "a picture of another origin": Sample(
        templates.no_foreign_assets,
        PAGE,
        '\n<img src="https://cdn.example/a.png">',
        '<a href="https://example.org">law</a><svg xmlns="http://www.w3.org/2000/svg">',
        line=2,
    ),
    "a style sheet of another origin": Sample(
        templates.no_foreign_assets,
        PAGE,
        '<link rel="stylesheet" href="//cdn.example/a.css">',
        '<link rel="stylesheet" href="/static/a.css">',
    ),
    "a font of another origin": Sample(
        templates.no_foreign_assets,
        "src/largesse/web/static/a.css",
        "src: url('https://cdn.example/a.woff2')",
        "src: url('a.woff2')",
    ),
    "a stream of another origin": Sample(
        templates.no_foreign_assets,
        "src/largesse/web/static/a.js",
        'new EventSource("https://live.example/room")',
        "new EventSource(`${live}/room`)",
    ),
    "a registry's host": Sample(
        repository.no_registry_hosts, "README.md", f"see\nhttps://{REGISTRY}", "see below", line=2
    ),
    "a requirement from a place": Sample(
        repository.locked_requirements,
        "requirements.in",
        "a @ https://example.org/a.whl",
        "# https://example.org\na>=1",
    ),
    "an index of requirements": Sample(
        repository.locked_requirements, "requirements.in", "--extra-index-url x", "-r other.in"
    ),
    "a pin without its hash": Sample(
        repository.locked_requirements,
        "requirements.txt",
        "a==1 \\\n    --hash=sha256:0\nb==2\n    # via a",
        "a==1 \\\n    --hash=sha256:0\n    # via b",
        line=3,
    ),
}


def findings_of(sample: Sample, text: str, path: str) -> list[Finding]:
    source = ast.parse(text) if sample.rule in TREE_RULES else text
    return list(sample.rule(source, PurePosixPath(path)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*TREES, *TEXTS])
def test_refuses_the_bad_and_keeps_the_good(name: str) -> None:
    sample = {**TREES, **TEXTS}[name]
    (finding,) = findings_of(sample, sample.bad, sample.path)
    assert (finding.path, finding.line) == (sample.path, sample.line)
    assert findings_of(sample, sample.good, sample.good_path or sample.path) == []


def test_every_rule_has_a_sample() -> None:
    sampled = {sample.rule for sample in [*TREES.values(), *TEXTS.values()]}
    assert sampled == {*TREE_RULES, *TEXT_RULES}


def test_a_file_that_does_not_parse_is_a_finding() -> None:
    (finding,) = tidy.check_text("x = 1\ndef", PurePosixPath("tools/broken.py"))
    assert (finding.rule, finding.line) == ("syntax", 2)


def test_files_that_are_not_text_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\xff\xfe")
    (tmp_path / "b.md").write_text(REGISTRY, encoding="utf-8")
    findings = tidy.check_files(tmp_path, [PurePosixPath("a.png"), PurePosixPath("b.md")])
    assert [(finding.path, finding.rule) for finding in findings] == [("b.md", "registry-host")]


def test_tidy_keeps_its_own_rules() -> None:
    own = [path for path in tidy.tracked_files(tidy.ROOT) if path.parts[0] == "tools"]
    assert len(own) >= len(list((tidy.ROOT / "tools/tidy_rules").glob("*.py")))
    assert tidy.check_files(tidy.ROOT, own) == []


def test_the_command_says_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tidy, "ROOT", tmp_path)
    bad = tmp_path / "bad.md"
    bad.write_text(f"\n{REGISTRY}\n", encoding="utf-8")

    assert tidy.main([str(bad)]) == 1
    assert capsys.readouterr().out.startswith("bad.md:2: registry-host: ")
    assert tidy.main(["--json", str(bad)]) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["path"], finding["line"]) == ("bad.md", 2)

    bad.write_text("clean\n", encoding="utf-8")
    assert tidy.main([str(bad)]) == 0
    assert capsys.readouterr().out == ""
    assert tidy.main([str(tmp_path / "absent.md")]) == 2
    assert "could not look" in capsys.readouterr().err
