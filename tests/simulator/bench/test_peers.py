"""Peers that cannot run here say what to install, and leave the benchmark without their ratio."""

from __future__ import annotations

import json
import subprocess
import sys

from largesse.simulator.bench import peers

WITHOUT_HORDAK = """
import sys
sys.modules["hordak"] = None
from bench.peers import hordak, protocol
sys.argv = ["hordak", "postgresql://nobody@127.0.0.1:1/nothing", ""]
protocol.serve(hordak.Hordak)
"""


def test_a_package_that_is_not_installed_is_named():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HORDAK],
        cwd=peers._ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    why = json.loads(done.stdout)["unavailable"]
    assert why == "hordak is not installed: pip install -r requirements-dev.txt"


def test_without_a_checkout_there_is_no_peer(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "_ROOT", tmp_path)
    peer = peers.Peer(peers.HORDAK, "", "")
    peer.await_ready()
    peer.finish()
    peer.close()
    assert "requirements-dev.txt" in peer.missing
