# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in ``etc/`` are accepted by the programs they are for, and do what they are there for."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from milterguard.checks.spamd_report import parse_report
from milterguard.cli.probe import eicar, encrypted_zip, nested_eicar
from milterguard.config.settings import Server
from milterguard.server.generation import Pace
from tests.daemons import Clamd, Spamd, private_folder
from tests.daemons.sample import GTUBE

ETC = Path(__file__).parents[1] / "etc"
UNIT = ETC / "systemd" / "milterguard.service"
KEYS_UNIT = UNIT.with_name("milterguard-keys.service")
PROGRAM = "/opt/milterguard/bin/milterguard"
MAXIMUM_EXPOSURE = 2.0


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def options(path: Path) -> dict[str, str]:
    """Names and values of a file with a blank between them."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


@pytest.fixture
def daemon_home() -> Iterator[Path]:
    with private_folder() as folder:
        yield folder


# --- systemd ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("installed", [UNIT, KEYS_UNIT], ids=lambda path: path.name)
def test_the_unit_is_accepted(installed: Path, tmp_path: Path) -> None:
    """systemd-analyze verify has nothing to say about the unit, once its program exists."""
    unit = tmp_path / installed.name
    unit.write_text(installed.read_text().replace(PROGRAM, "/bin/true"))
    verified = run("systemd-analyze", "verify", "--man=no", unit)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@pytest.mark.parametrize("installed", [UNIT, KEYS_UNIT], ids=lambda path: path.name)
def test_the_unit_is_hardened(installed: Path) -> None:
    """The exposure on the scale of systemd-analyze security is 2.0 at most."""
    judged = run("systemd-analyze", "security", "--offline=true", "--no-pager", installed)
    found = re.search(r"Overall exposure level for milterguard(?:-keys)?\.service: ([0-9.]+)", judged.stdout)
    assert found is not None, judged.stderr
    assert float(found[1]) <= MAXIMUM_EXPOSURE


def test_the_unit_waits_for_the_drain() -> None:
    """systemd kills no earlier than open sessions may end by themselves, and only the supervisor gets SIGTERM."""
    unit = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line))
    assert float(unit["TimeoutStopSec"]) > Server().stop_grace_seconds + Pace().last
    assert unit["KillMode"] == "mixed"
    assert unit["Type"] == "notify"


def test_account_and_folders_are_made(tmp_path: Path) -> None:
    """systemd-sysusers makes the account, systemd-tmpfiles its folders, closed to others."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "var" / "lib").mkdir(parents=True)
    account = run("systemd-sysusers", f"--root={tmp_path}", ETC / "systemd" / "sysusers.d" / "milterguard.conf")
    assert account.returncode == 0, account.stderr
    with (tmp_path / "etc" / "passwd").open("a") as passwd, (tmp_path / "etc" / "group").open("a") as group:
        passwd.write("root:x:0:0:root:/root:/bin/sh\n")
        group.write("root:x:0:\n")
    made = run(
        "systemd-tmpfiles", "--create", f"--root={tmp_path}", ETC / "systemd" / "tmpfiles.d" / "milterguard.conf"
    )
    assert made.returncode == 0, made.stderr
    (uid,) = re.findall(r"^milterguard:x:([0-9]+):", (tmp_path / "etc" / "passwd").read_text(), re.MULTILINE)
    quarantine = (tmp_path / "var" / "lib" / "milterguard" / "quarantine").stat()
    assert (quarantine.st_uid, quarantine.st_mode & 0o777) == (int(uid), 0o750)


# --- MTAs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("further", ["", "main.cf.unix-socket.snippet"])
def test_postfix_knows_every_line(further: str, tmp_path: Path) -> None:
    """postconf takes the lines without a warning of an unknown or doubled parameter."""
    lines = (ETC / "postfix" / "main.cf.snippet").read_text()
    if further:
        lines = re.sub(r"^smtpd_milters.*\n", "", lines, flags=re.MULTILINE) + (ETC / "postfix" / further).read_text()
    (tmp_path / "main.cf").write_text(lines)
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    asked = run("postconf", "-c", tmp_path, "-n")
    assert (asked.returncode, asked.stderr) == (0, "")
    said = dict(line.split(" =", 1) for line in asked.stdout.splitlines())
    assert said["milter_default_action"].strip() == "tempfail"
    assert said["smtpd_forbid_bare_newline"].strip() == "normalize"
    assert said["smtpd_forbid_bare_newline_exclusions"].strip() == ""


def test_postfix_waits_longer_than_the_deadline() -> None:
    """Postfix' limits are above ours, for commands and for the content."""
    text = (ETC / "postfix" / "main.cf.snippet").read_text()
    limits = {
        name: float(seconds) for name, seconds in re.findall(r"^(milter_\w+_timeout) = ([0-9]+)s$", text, re.MULTILINE)
    }
    assert limits["milter_command_timeout"] > Server().deadline_seconds
    assert limits["milter_content_timeout"] > Server().deadline_seconds


def test_sendmail_never_skips_the_filter() -> None:
    """The line for sendmail says F=T and gives the end of message more than our deadline."""
    text = (ETC / "sendmail" / "milterguard.mc").read_text()
    (line,) = re.findall(r"^INPUT_MAIL_FILTER\(.*\)dnl$", text, re.MULTILINE)
    assert "F=T" in line
    (reply_seconds,), (end_seconds,) = re.findall(r"R:([0-9]+)s", line), re.findall(r"E:([0-9]+)s", line)
    assert float(reply_seconds) > 2 * Server().progress_seconds
    assert float(end_seconds) > Server().deadline_seconds


# --- scanners --------------------------------------------------------------------------------------


@pytest.mark.daemons
def test_clamd_says_what_it_did_not_look_into(daemon_home: Path) -> None:
    """With the lines for clamd it starts, finds EICAR, and calls neither a deep nor an encrypted archive OK."""
    lines = options(ETC / "clamav" / "clamd.conf.snippet")
    with Clamd(daemon_home / "clamd", eicar_only=True, options=lines) as clamd:
        assert clamd.scan(eicar()).endswith("FOUND")
        assert "Heuristics.Limits.Exceeded" in clamd.scan(nested_eicar())
        assert "Heuristics.Encrypted" in clamd.scan(encrypted_zip())


def test_spamassassin_accepts_its_lines() -> None:
    """spamassassin --lint finds nothing wrong."""
    checked = run("spamassassin", "--lint", "--prefs-file", ETC / "spamassassin" / "milterguard.cf")
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.daemons
def test_spamd_tells_points(daemon_home: Path) -> None:
    """With the lines for SpamAssassin spamd tells each test's points in a form that we read."""
    lines = (ETC / "spamassassin" / "milterguard.cf").read_text()
    with Spamd(daemon_home / "spamd", children=1, configuration=lines) as spamd:
        answer = spamd.ask("HEADERS", b"From: a@example.org\r\nSubject: test\r\n\r\n" + GTUBE + b"\r\n")
    report = parse_report(answer.partition("\r\n\r\n")[2].encode())
    assert ("GTUBE", 1000.0) in report.tests
