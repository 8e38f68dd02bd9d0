"""Secrets on disk: of many processes that start at once, all agree."""

import subprocess
import sys
from pathlib import Path

RACE = """
import sys
from pathlib import Path
from largesse.adapters.private_file import read_or_create
sys.stdin.readline()
print(read_or_create(Path(sys.argv[1]), sys.argv[2]))
"""


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(path), f"secret-of-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = {racer.communicate()[0] for racer in racers}
    assert len(answers) == 1
    assert answers.pop().startswith("secret-of-")
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]
