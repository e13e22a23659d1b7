# SPDX-License-Identifier: GPL-3.0-or-later
"""The program as a whole: help, options, and one line with a status for whatever goes wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from milterguard import __version__
from milterguard.cli.program import program
from milterguard.cli.status import Status
from tests.cli.conftest import Program

MILTERGUARD = [sys.executable, "-m", "milterguard"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MILTERGUARD, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def commands() -> list[tuple[str, click.Command]]:
    """Return every command with its whole name."""
    found: list[tuple[str, click.Command]] = []
    context = click.Context(program)
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", command.commands[inner]) for inner in command.commands]
    return found


def test_the_version_is_the_packages(milterguard: Program) -> None:
    """``--version`` says name and version."""
    assert milterguard("--version").output == f"milterguard {__version__}\n"


def test_without_a_command_the_help_is_shown(milterguard: Program) -> None:
    """The help lists every command and every exit status."""
    result = milterguard()
    assert result.exit_code == 0
    assert all(name in result.output for name, _ in commands() if " " not in name)
    assert all(f"{status.value}  " in result.output for status in Status)


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_explains_itself_with_an_example(milterguard: Program, name: str) -> None:
    """The help of each command has an example and the option for the configuration."""
    result = milterguard(*name.split(), "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert "milterguard " + name.split()[0] in result.output
    assert "--config FILE" in result.output


@pytest.mark.parametrize("name", ["quarantine", "config", "db"])
def test_the_list_of_commands_breaks_no_sentence_off(milterguard: Program, name: str) -> None:
    """What a command does fits its line."""
    assert "..." not in milterguard(name, "--help").output.partition("Commands:")[2]


def test_the_help_imports_nothing_large() -> None:
    """``milterguard --help`` is quick because neither libmilter nor SQLAlchemy nor rich is imported."""
    code = (
        "import sys; from milterguard.cli import main; sys.argv = ['milterguard', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "large = {'sqlalchemy', 'alembic', 'rich', 'aiospamc', 'Milter', 'asyncio'}\n"
        "print(sorted(large & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_the_configuration_is_taken_before_and_behind_the_commands_name(milterguard: Program, tmp_path: Path) -> None:
    """Behind counts more than before, and both more than the environment."""
    other, third = tmp_path / "other.toml", tmp_path / "third.toml"
    other.write_text("[server]\nworkers = 7\n")
    third.write_text("[server]\nworkers = 8\n")
    assert "server.workers" in milterguard("config", "show").output
    before = milterguard("--config", str(other), "config", "show").output
    behind = milterguard("--config", str(other), "config", "show", "--config", str(third)).output
    between = milterguard("config", "--config", str(other), "show").output
    assert [_workers(text) for text in (before, behind, between)] == ["7", "8", "7"]


def _workers(shown: str) -> str:
    return next(line.split()[1] for line in shown.splitlines() if line.startswith("server.workers"))


def test_wrong_settings_end_with_78(milterguard: Program) -> None:
    """One line names file, key, what was expected and what was found."""
    milterguard.configuration.write_text("[server]\nworkers = 'many'\n")
    for command in (["serve"], ["check"], ["config", "show"], ["quarantine", "list"]):
        result = milterguard(*command)
        assert result.exit_code == Status.CONFIG
        assert result.stderr.startswith(f"milterguard: {milterguard.configuration}: server.workers: expected ")
        assert result.stderr.count("\n") == 1


def test_what_shows_only_later_names_the_file_too(milterguard: Program) -> None:
    """A driver that is missing is found out when it is needed, far from the file."""
    milterguard.configure({"store": {"url": "oddbase://host/name"}})
    result = milterguard("db", "status")
    assert (result.exit_code, f"{milterguard.configuration}: store.url: " in result.stderr) == (78, True)


def test_a_file_that_is_named_must_be_there(milterguard: Program) -> None:
    """A mistyped ``--config`` is an error, not the defaults."""
    result = milterguard("config", "show", "--config", "/nowhere/milterguard.toml")
    assert result.exit_code == Status.CONFIG


@pytest.mark.parametrize("arguments", [["frob"], ["scan"], ["--frob"], ["quarantine", "list", "--category", "x"]])
def test_a_wrong_command_line_ends_with_64(milterguard: Program, arguments: list[str]) -> None:
    """One line, with the way to the help."""
    result = milterguard(*arguments)
    assert result.exit_code == Status.USAGE
    assert result.stderr.startswith("milterguard: ")
    assert result.stderr.count("\n") == 1


def test_a_defect_is_one_line_and_with_debug_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 70; a traceback only for those who ask for it."""
    broken = "import milterguard.cli.show as show, sys\nshow.as_json = None\nfrom milterguard.cli import main\nmain()"
    command = [sys.executable, "-c", broken, "config", "show", "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILTERGUARD")}
    quiet = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert quiet.returncode == Status.SOFTWARE
    assert quiet.stderr.startswith("milterguard: defect: TypeError")
    assert quiet.stderr.count("\n") == 1
    loud = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False, env=environment)
    assert "Traceback" in loud.stderr


def test_a_reader_that_has_enough_is_no_error(milterguard: Program) -> None:
    """A broken pipe ends the program quietly."""
    with subprocess.Popen(
        [*MILTERGUARD, "config", "sample"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_ctrl_c_ends_with_130(milterguard: Program) -> None:
    """Interrupted while it waits for standard input."""
    with subprocess.Popen(
        [*MILTERGUARD, "scan", "--config", str(milterguard.configuration), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        _await_reading(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == Status.INTERRUPTED
    assert errors == b"milterguard: interrupted\n"


def _await_reading(process: "subprocess.Popen[bytes]") -> None:
    """Return when the process sleeps in a read of its standard input."""
    deadline = time.monotonic() + 30
    syscall = Path(f"/proc/{process.pid}/syscall")
    while not syscall.read_text().startswith("0 0x0 "):
        assert time.monotonic() < deadline
        assert process.poll() is None


def test_python_dash_m_is_the_same_program() -> None:
    """``python -m milterguard`` says the same version."""
    assert run("--version").stdout == f"milterguard {__version__}\n"


def test_debug_in_the_environment_is_no_setting(milterguard: Program) -> None:
    """MILTERGUARD_DEBUG is not taken for a mistyped setting."""
    done = run("config", "show", MILTERGUARD_DEBUG="1", MILTERGUARD_CONFIG=str(milterguard.configuration))
    assert done.returncode == 0, done.stderr
