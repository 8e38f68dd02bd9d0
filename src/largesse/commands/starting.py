"""`largesse up` and `largesse demo`: the whole product, in one terminal.

Owns which processes there are, where they listen, and what is printed when they are ready. Must not
know how a process is watched. Invariant: it says that it is ready only when every process has
answered, and how long that took.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from largesse.commands.failures import CommandFailure, ExitCode
from largesse.commands.options import DEFAULT_DATA, DataOption

if TYPE_CHECKING:
    from largesse.adapters.postgres.server import EmbeddedServer
    from largesse.commands.processes import Program
    from largesse.commands.supervisor import Supervisor

PortOption = Annotated[
    int,
    typer.Option(
        "--port", min=1, max=65533, help="Pages; live is one port above, the sandbox two above."
    ),
]
HostOption = Annotated[
    str, typer.Option("--host", help="The address to listen on; 0.0.0.0 is every network.")
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print what the processes print.")
]
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, never bound by default
_READY_SECONDS = 120
_WEB_THREADS = 8


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line asked for."""

    data_dir: Path
    host: str
    port: int
    sandbox: bool
    world: bool
    verbose: bool

    @property
    def mode(self) -> str:
        """The mode of the books."""
        return "sandbox" if self.sandbox else "real"

    @property
    def ports(self) -> dict[str, int]:
        """The ports that are listened on, by process."""
        ports = {"web": self.port, "live": self.port + 1}
        return ports | ({"simulator": self.port + 2} if self.sandbox else {})


def up(
    data: DataOption = DEFAULT_DATA,
    port: PortOption = 8000,
    host: HostOption = "127.0.0.1",
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox", envvar="LARGESSE_SANDBOX", help="Simulated payments and a test clock."
        ),
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Start the whole product and keep it running; Ctrl-C stops it in order."""
    _run(Choices(data.expanduser().absolute(), host, port, sandbox, False, verbose))


def demo(
    data: DataOption = DEFAULT_DATA,
    port: PortOption = 8000,
    host: HostOption = "127.0.0.1",
    verbose: VerboseOption = False,
) -> None:
    """Start the product as a sandbox, with a seeded world and live traffic."""
    _run(Choices(data.expanduser().absolute(), host, port, True, True, verbose))


def _run(choices: Choices) -> None:
    from largesse.commands.printing import notes

    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    environ = environment(choices, dict(os.environ))
    logs = choices.data_dir / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.update(environ)
    try:
        with held_ports(choices), _database(choices) as (server, url):
            environ["DATABASE_URL"] = url
            asyncio.run(_supervise(choices, environ, server, logs, began))
    except KeyboardInterrupt:
        notes().print("Stopped before everything had started.")
        raise typer.Exit(130) from None


def environment(choices: Choices, environ: dict[str, str]) -> dict[str, str]:
    """Return the variables that every process gets; what the caller set about addresses stays.

    Raises CommandFailure when nobody can know under which address browsers come.
    """
    from largesse.adapters.config import Config

    if choices.host in _WILDCARDS and not environ.get("LARGESSE_PUBLIC_URL"):
        raise CommandFailure(
            f"With --host {choices.host} browsers come from elsewhere: set LARGESSE_PUBLIC_URL to "
            f"the address that they use, such as http://192.0.2.10:{choices.port}.",
            ExitCode.USAGE,
        )
    host = f"[{choices.host}]" if ":" in choices.host else choices.host
    environ.setdefault("LARGESSE_PUBLIC_URL", f"http://{host}:{choices.port}")
    environ.setdefault("DJANGO_SETTINGS_MODULE", "largesse.web.settings")
    environ["LARGESSE_DATA"] = str(choices.data_dir)
    environ["LARGESSE_SANDBOX"] = "1" if choices.sandbox else "0"
    environ["PYTHONUNBUFFERED"] = "1"
    Config.from_env(environ)
    return environ


@contextmanager
def held_ports(choices: Choices) -> Iterator[None]:
    """Keep the ports for our own processes; another product that starts meanwhile is turned away.

    The servers share their ports (SO_REUSEPORT), so the kernel alone would let two products mix.
    Raises CommandFailure naming the port that is taken, and how to choose others.
    """
    with ExitStack() as held:
        for name, port in choices.ports.items():
            try:
                with _bound(choices.host, port, is_shared=False):
                    pass
                held.enter_context(_bound(choices.host, port, is_shared=True))
            except OSError as error:
                ports = ", ".join(str(one) for one in choices.ports.values())
                raise CommandFailure(
                    f"Port {port} on {choices.host}, for {name}, cannot be used: {error.strerror}. "
                    f"Ports {ports} are needed; choose others with --port, such as "
                    f"--port {choices.port + 100}.",
                    ExitCode.ENVIRONMENT,
                ) from error
        yield


def _bound(host: str, port: int, *, is_shared: bool) -> socket.socket:
    """Bind a socket that never listens: it gets no connection, and holds its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Never both: two sockets with SO_REUSEADDR share a port on which neither listens yet.
        option = socket.SO_REUSEPORT if is_shared else socket.SO_REUSEADDR
        bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


@contextmanager
def _database(choices: Choices) -> Iterator[tuple[EmbeddedServer | None, str]]:
    """Give the database: the embedded server with its supervision, or the one of DATABASE_URL."""
    from largesse.adapters.postgres.safety import check_server
    from largesse.adapters.postgres.server import EmbeddedServer
    from largesse.commands.database import configured_url

    url = configured_url()
    if url is not None:
        check_server(url)
        yield None, url
        return
    with EmbeddedServer(choices.data_dir) as server:
        check_server(server.url)
        yield server, server.url


async def _supervise(
    choices: Choices,
    environ: dict[str, str],
    server: EmbeddedServer | None,
    logs: Path,
    began: float,
) -> None:
    from rich.markup import escape

    from largesse.commands.printing import notes
    from largesse.commands.supervisor import Supervisor

    console = notes()

    def tell(name: str, text: str) -> None:
        console.print(f"[bold]{name:>9}[/bold] │ {escape(text)}")

    def echo(name: str, text: str) -> None:
        if choices.verbose:
            tell(name, text)

    supervisor = Supervisor(environ, logs, server, tell=tell, echo=echo)
    supervisor.listen()
    try:
        await _prepare(choices, supervisor, environ["DATABASE_URL"], tell)
        started = supervisor.begin([] if supervisor.stopping.is_set() else programs(choices))
        if await supervisor.wait_ready(started, _READY_SECONDS) and choices.world:
            traffic = supervisor.begin([_traffic()])
            await supervisor.wait_ready(traffic, _READY_SECONDS)
        if not supervisor.stopping.is_set():
            _welcome(choices, environ, logs, time.monotonic() - began)
        await supervisor.stopping.wait()
        console.print("Stopping.")
    finally:
        await supervisor.stop()


async def _prepare(choices: Choices, supervisor: Supervisor, url: str, tell: Any) -> None:
    """Bring schema, catalogue and demo world up to date; costs one query when they are."""
    from largesse.commands import schema
    from largesse.commands.processes import Program, module

    marks = schema.read_marks(url)
    schema.require_mode(marks, choices.mode, str(choices.data_dir))
    if schema.is_prepared(marks) and (marks.has_world or not choices.world):
        return
    tell("largesse", "Preparing the database; this takes a moment the first time.")
    arguments = [choices.mode, *(["--world"] if choices.world else [])]
    program = Program("preparation", module("largesse.commands.preparation", *arguments))
    await supervisor.run_once(program)


def programs(choices: Choices) -> list[Program]:
    """Return what runs beside the database, in the order in which it stops."""
    from largesse.commands.processes import Program, module

    ports, host = choices.ports, choices.host
    base = f"http://{'127.0.0.1' if host in _WILDCARDS else _bracketed(host)}"
    found = [
        Program(
            "web",
            module(
                "granian",
                *("--interface", "wsgi", "--host", host, "--port", str(ports["web"])),
                *("--workers", "1", "--blocking-threads", str(_WEB_THREADS)),
                *("--blocking-threads-idle-timeout", "600", "--workers-kill-timeout", "5"),
                *("--log-level", "error", "largesse.web.wsgi:application"),
            ),
            health_url=f"{base}:{ports['web']}/healthz",
        ),
        Program(
            "live",
            module("largesse.live", "--host", host, "--port", str(ports["live"])),
            health_url=f"{base}:{ports['live']}/live/healthz",
        ),
        Program("jobs", module("largesse.web.jobs"), ready_line="ready", stop_seconds=15.0),
    ]
    if choices.sandbox:
        arguments = module(
            "granian",
            *("--interface", "asgi", "--host", host, "--port", str(ports["simulator"])),
            *("--workers", "1", "--workers-kill-timeout", "5", "--log-level", "warning"),
            "largesse.simulator.sandbox.app:application",
        )
        url = f"{base}:{ports['simulator']}/health"
        found.append(Program("simulator", arguments, health_url=url))
    return found


def _traffic() -> Program:
    from largesse.commands.processes import Program, module

    return Program("traffic", module("largesse.simulator.traffic"), ready_line="ready")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _welcome(choices: Choices, environ: dict[str, str], logs: Path, seconds: float) -> None:
    """Print where everything is, and in the demo how to sign in."""
    from rich.table import Table

    from largesse.adapters.config import Config
    from largesse.commands.printing import answers

    config = Config.from_env(environ)
    console = answers()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows = [("Pages", config.public_url), ("Console", f"{config.public_url}/console/")]
    if choices.world:
        from largesse.money.ids import public_id
        from largesse.simulator.cast import HOSTS, sign_ins

        room = public_id("room", HOSTS[0].room)
        rows.insert(0, ("Room", f"{config.public_url}/live/{room}/"))
        rows += [(one.role, one.words) for one in sign_ins(config.secret)]
    rows.append(("Logs", str(logs)))
    for name, text in rows:
        table.add_row(name, text)
    console.print()
    console.print(table)
    console.print(f"\nReady in {seconds:.1f} s. Ctrl-C stops everything.")
    sys.stdout.flush()
