"""The `largesse` command.

Owns which commands exist and how the program ends. Must not do any work itself: each command is a
function of `largesse.commands`. Invariant: showing help imports neither Django nor a database
driver, and an expected error ends with a sentence and its exit code, never with a traceback.
"""

from __future__ import annotations

import os
import sys

import typer

from largesse.commands import bench, books, holders, receipt, replay, sandbox_clock, staff, starting
from largesse.commands.checkpoint import checkpoint
from largesse.commands.explain import explain_account
from largesse.commands.failures import EXIT_CODES_HELP, ExitCode, explain
from largesse.commands.trace import trace

app = typer.Typer(
    name="largesse",
    help="Coins, gifts and payouts for live rooms, on double-entry books.",
    epilog=EXIT_CODES_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("up", epilog=EXIT_CODES_HELP)(starting.up)
app.command("demo", epilog=EXIT_CODES_HELP)(starting.demo)
app.command("replay", epilog=EXIT_CODES_HELP)(replay.replay)
app.command("accounts", epilog=EXIT_CODES_HELP)(holders.list_accounts)
app.command("statement", epilog=EXIT_CODES_HELP)(holders.show_statement)
app.command("explain", epilog=EXIT_CODES_HELP)(explain_account)
app.command("trace", epilog=EXIT_CODES_HELP)(trace)
app.command("checkpoint", epilog=EXIT_CODES_HELP)(checkpoint)
app.add_typer(bench.app, name="bench")
app.add_typer(books.app, name="books")
app.add_typer(receipt.app, name="receipt")
app.add_typer(sandbox_clock.app, name="clock")
app.add_typer(staff.app, name="staff")


def main() -> None:
    """Run the command line; ends the process with the exit code."""
    try:
        app()
    except BrokenPipeError:
        # Whoever read our answer has gone (`| head`); the interpreter must not flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.REFUSED)
    except Exception as error:
        failure = explain(error)
        if failure is None:
            raise
        sys.stderr.write(f"largesse: {failure}\n")
        sys.exit(failure.code)


if __name__ == "__main__":
    main()
