# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in ``docker/`` as far as they can be run without Docker."""

import base64
import hashlib
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from milterguard.config.load import load
from tests.daemons import Clamd, Milterguard, free_port, private_folder

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
DOCKERFILES = ("Dockerfile", "mail.Dockerfile")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, **environment},
    )


# --- install.sh ------------------------------------------------------------------------------------


def test_a_dry_run_only_prints(tmp_path: Path) -> None:
    """--dry-run prints the commands of a step and runs none of them."""
    said = run(DOCKER / "install.sh", "--dry-run", "venv", tmp_path / "venv", PYTHON="python3.12")
    assert said.returncode == 0
    first, second = said.stdout.splitlines()
    assert first.split() == ["python3.12", "-m", "venv", str(tmp_path / "venv")]
    assert second.split()[-1] == str(ROOT)
    assert not (tmp_path / "venv").exists()


def test_a_wrong_call_is_refused() -> None:
    """Unknown steps end with the status of a wrong command line."""
    assert run(DOCKER / "install.sh", "dance").returncode == 64
    assert run(DOCKER / "install.sh", "packages", "dance").returncode == 64
    assert run(DOCKER / "install.sh", "venv").returncode == 64


def test_packages_that_are_there_are_not_installed_again() -> None:
    """On a machine that was set up for the tests there is nothing to install."""
    for kind in ("build", "run"):
        said = run(DOCKER / "install.sh", "--dry-run", "packages", kind)
        assert (said.returncode, said.stdout) == (0, "")


def test_the_venv_step_makes_an_environment(tmp_path: Path) -> None:
    """The step that fills the image's environment does so, here with a small wheel and without a network."""
    wheel = _wheel(tmp_path)
    done = run(*(DOCKER / "install.sh", "venv", tmp_path / "venv", wheel), PYTHON=sys.executable, PIP_NO_INDEX="1")
    assert done.returncode == 0, done.stderr
    asked = run(tmp_path / "venv" / "bin" / "python", "-c", "import placed; print(placed.WORD)")
    assert asked.stdout == "here\n"


def test_the_files_step_keeps_a_configuration(tmp_path: Path) -> None:
    """Unit, account and folders are put in place; settings only where there are none."""
    for _ in range(2):
        assert run(DOCKER / "install.sh", "files", tmp_path).returncode == 0
        settings = tmp_path / "etc" / "milterguard" / "milterguard.toml"
        load(settings, environ={})
        settings.write_text("# mine\n")
    assert run(DOCKER / "install.sh", "files", tmp_path).returncode == 0
    assert settings.read_text() == "# mine\n"
    assert (tmp_path / "etc" / "systemd" / "system" / "milterguard.service").stat().st_mode & 0o777 == 0o644


def _wheel(folder: Path) -> Path:
    """A wheel with one module, as small as one can be."""
    files = {
        "placed.py": b'WORD = "here"\n',
        "placed-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: placed\nVersion: 1\n",
        "placed-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_sum(octets)},{len(octets)}\n" for name, octets in files.items())
    files["placed-1.dist-info/RECORD"] = f"{record}placed-1.dist-info/RECORD,,\n".encode()
    path = folder / "placed-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, octets in files.items():
            wheel.writestr(name, octets)
    return path


def _sum(octets: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(octets).digest()).rstrip(b"=").decode()


# --- healthcheck -----------------------------------------------------------------------------------


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Something that listens, reads one packet and says what it is told; its address in our words."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(30)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(30)
            connection.recv(65536)
            connection.sendall(answer)
            with suppress(OSError):  # whoever has read enough hangs up
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"inet:{listening.getsockname()[1]}@127.0.0.1"
    finally:
        thread.join()
        listening.close()


def healthcheck(address: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, DOCKER / "healthcheck", address)


def test_a_milter_that_negotiates_is_well() -> None:
    """The answer to the negotiation is all that is asked for."""
    answer = b"O" + struct.pack(">III", 6, 0x1F, 0)
    with answering(struct.pack(">I", len(answer)) + answer) as address:
        assert healthcheck(address).returncode == 0


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\1t", b"\xff\xff\xff\xff", b"220 mail.example.com ESMTP\r\n"])
def test_what_is_no_milter_is_not_well(answer: bytes) -> None:
    """Silence, another answer and another protocol are told in one line, with status 1."""
    with answering(answer) as address:
        asked = healthcheck(address)
    assert asked.returncode == 1
    assert asked.stderr.count("\n") == 1


def test_nobody_is_not_well(tmp_path: Path) -> None:
    """A port or socket where nobody listens, and an address that is none, give status 1."""
    for address in (f"inet:{free_port()}@127.0.0.1", f"unix:{tmp_path}/none", "dance"):
        assert healthcheck(address).returncode == 1


@pytest.mark.daemons
def test_milterguard_is_well() -> None:
    """The real filter passes its own health check, again and again."""
    with private_folder() as folder, Milterguard(folder) as milterguard:
        for _ in range(3):
            asked = healthcheck(milterguard.socket)
            assert (asked.returncode, asked.stderr) == (0, "")


# --- images ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCKERFILES)
def test_copied_files_exist_and_are_sent_to_the_build(name: str) -> None:
    """What a Dockerfile copies from here is here, and .dockerignore lets it through."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", (DOCKER / name).read_text(), re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), f"{name}: {source}"
            assert any(source == each or source.startswith(each + "/") for each in allowed), f"{name}: {source}"


def test_the_compose_file_names_targets_that_exist() -> None:
    """Every build in compose.yaml has its Dockerfile and its target."""
    compose = (DOCKER / "compose.yaml").read_text()
    builds = re.findall(r"dockerfile: docker/([\w.]+)(?:, target: (\w+))?", compose)
    assert len(builds) == 4
    for dockerfile, target in builds:
        text = (DOCKER / dockerfile).read_text()
        assert not target or f" AS {target}\n" in text


def test_the_containers_settings_are_accepted() -> None:
    """milterguard takes the container's settings, with domains from the environment."""
    settings = load(
        DOCKER / "milterguard.toml", environ={"MILTERGUARD_LOCAL_DOMAINS": "example.com,example.net"}
    ).settings
    assert settings.local.domains == ("example.com", "example.net")


def test_the_containers_postfix_is_accepted(tmp_path: Path) -> None:
    """postconf takes the container's lines without a warning."""
    lines = [ROOT / "etc" / "postfix" / "main.cf.snippet", DOCKER / "postfix" / "main.cf"]
    (tmp_path / "main.cf").write_text("".join(path.read_text() for path in lines))
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    asked = run("postconf", "-c", tmp_path, "-n")
    assert (asked.returncode, asked.stderr) == (0, "")


@pytest.mark.daemons
def test_the_containers_clamd_starts() -> None:
    """clamd takes the container's lines; address and folders are the test's."""
    lines = (ROOT / "etc" / "clamav" / "clamd.conf.snippet").read_text() + (DOCKER / "clamd" / "clamd.conf").read_text()
    options = dict(line.split(" ", 1) for line in lines.splitlines() if line and not line.startswith("#"))
    assert (options.pop("TCPSocket"), options.pop("TCPAddr")) == ("3310", "0.0.0.0")
    for name in ("DatabaseDirectory", "TemporaryDirectory"):
        del options[name]
    with private_folder() as folder, Clamd(folder / "clamd", eicar_only=True, options=options) as clamd:
        assert clamd.ask("PING") == "PONG"


@pytest.mark.parametrize("script", ["install.sh", "postfix/start", "clamd/start"])
def test_scripts_can_be_read_by_their_shell(script: str) -> None:
    """Every script is executable and its shell finds no mistake in it."""
    path = DOCKER / script
    assert os.access(path, os.X_OK)
    shell = path.read_text().splitlines()[0].removeprefix("#!")
    assert run(shell, "-n", path).returncode == 0
