# SPDX-License-Identifier: GPL-3.0-or-later
"""``check``: what it asks, and that it sees what is wrong."""

import json
import zipfile
from io import BytesIO
from pathlib import Path

from milterguard.cli.probe import State, eicar, encrypted_zip, gtube, nested_eicar
from milterguard.cli.probe_parts import library_row, part_rows, seals_row
from milterguard.config.settings import Checks, Parts
from milterguard.store.migrate import upgrade
from milterguard.unpack import seal
from tests.cli.conftest import Program
from tests.daemons import Clamd, Spamd
from tests.daemons.folder import free_port
from tests.daemons.sample import EICAR, GTUBE
from tests.effects.mta import Mta


def states(program: Program) -> tuple[int, dict[str, str]]:
    """Return the exit status, and the state of each row by its subject."""
    result = program("check", "--json")
    return result.exit_code, {row["subject"]: row["state"] for row in json.loads(result.output)}


def test_all_is_well(milterguard: Program, clamd: Clamd, spamd: Spamd, mta: Mta) -> None:
    """With real scanners, a database and an MTA there is no error."""
    milterguard.configure(
        {
            "checks": {
                "clamd": {"enabled": True, "sockets": [clamd.socket]},
                "spamd": {"enabled": True, "sockets": [spamd.socket]},
            }
        }
    )
    upgrade(milterguard.database)
    status, found = states(milterguard)
    assert status == 0
    name = f"clamd {clamd.socket}"
    assert found[name] == found[f"{name}: EICAR"] == found[f"{name}: limits"] == found[f"{name}: encrypted"] == "ok"
    assert found[f"spamd {spamd.socket}: GTUBE"] == found[f"spamd {spamd.socket}: points of tests"] == "ok"
    assert found["sealed child"] == "ok"
    assert found["archives"] == "ok"
    assert found["database"] == "ok"
    assert "error" not in found.values()


def test_a_clamd_whose_limits_are_silent_is_told_of(milterguard: Program, daemon_folder: Path) -> None:
    """The lines that belong into clamd.conf are named."""
    folder = daemon_folder / "silent-clamd"
    with Clamd(folder, options={"AlertExceedsMax": "no", "AlertEncrypted": "no"}) as silent:
        milterguard.configure({"checks": {"clamd": {"enabled": True, "sockets": [silent.socket]}}})
        output = milterguard("check").output
    assert "add to clamd.conf: AlertExceedsMax yes" in output
    assert "add to clamd.conf: AlertEncrypted yes" in output


def test_what_is_missing_is_an_error_with_advice(milterguard: Program) -> None:
    """Scanners, tables, MTA: exit status 1."""
    nobody = f"inet:{free_port()}@127.0.0.1"
    milterguard.configure(
        {
            "checks": {
                "clamd": {"enabled": True, "sockets": [nobody], "timeout_seconds": 2.0},
                "spamd": {"enabled": True, "sockets": [nobody], "timeout_seconds": 2.0},
            },
            "release": {"smtp": nobody},
        }
    )
    status, found = states(milterguard)
    assert status == 1
    wrong = {subject for subject, state in found.items() if state == "error"}
    assert wrong == {f"clamd {nobody}", f"spamd {nobody}", "database", f"release {nobody}"}
    assert "run: milterguard db upgrade" in milterguard("check").output


def test_a_folder_that_the_filters_user_cannot_write_is_an_error(milterguard: Program, tmp_path: Path) -> None:
    """Asked as that user, not as whoever runs the check."""
    (tmp_path / "quarantine").mkdir(mode=0o700)
    milterguard.configure({"server": {"user": "nobody"}})
    _, found = states(milterguard)
    assert found[f"quarantine folder {tmp_path / 'quarantine'}"] == "error"


def test_accounts_that_are_not_there_are_errors(milterguard: Program) -> None:
    """The filter would not start."""
    milterguard.configure({"server": {"user": "nosuchuser", "group": "nosuchgroup", "socket_group": "nosuchgroup"}})
    _, found = states(milterguard)
    assert found["server.user"] == found["server.group"] == found["server.socket_group"] == "error"


def test_switched_off_scanners_are_warned_of(milterguard: Program) -> None:
    """Nobody forgets that nothing is scanned."""
    _, found = states(milterguard)
    assert found["clamd"] == found["spamd"] == "warning"


def test_the_probes_are_the_known_ones() -> None:
    """EICAR and GTUBE are the same as those the daemons are tested with; the nesting is real."""
    assert (eicar(), gtube()) == (EICAR, GTUBE)
    octets = nested_eicar(3)
    for _ in range(3):
        with zipfile.ZipFile(BytesIO(octets)) as archive:
            octets = archive.read(archive.namelist()[0])
    assert octets == EICAR
    with zipfile.ZipFile(BytesIO(encrypted_zip())) as archive:
        assert archive.infolist()[0].flag_bits & 1


def test_the_sealed_child_opens_an_archive(milterguard: Program) -> None:
    """Its seals are named, and the libraries with their versions."""
    rows = {row["subject"]: row["text"] for row in json.loads(milterguard("check", "--json").output)}
    assert rows["sealed child"].startswith("seals that hold: limits, user")
    assert "libarchive 3." in rows["archives"]
    assert "libmagic 5." in rows["archives"]


def test_a_child_without_memory_is_an_error() -> None:
    """It is sealed, and opens nothing."""
    rows = {row.subject: row for row in part_rows(Checks(parts=Parts(memory_bytes=1)))}
    assert (rows["sealed child"].state, rows["archives"].state) == (State.OK, State.ERROR)
    assert rows["archives"].text.startswith("could not be opened: ")
    assert "checks.parts.memory_bytes" in rows["archives"].advice


def test_a_missing_seal_is_a_warning() -> None:
    """The row tells which, and what that means."""
    row = seals_row((seal.LIMITS, seal.USER))
    assert (row.state, row.text) == (
        State.WARNING,
        "seals that hold: limits, user; missing: landlock, seccomp",
    )
    assert "files" in row.advice
    assert "system calls" in row.advice
    assert seals_row(seal.ALL).state is State.OK


def test_a_missing_library_is_an_error() -> None:
    """The Debian package is named."""

    def version() -> str:
        raise ImportError("failed to find libmagic")

    row = library_row("libmagic", "libmagic1", version)
    assert (row.state, row.advice) == (State.ERROR, "apt install libmagic1")


def test_what_is_switched_off_is_told(milterguard: Program) -> None:
    """Nobody forgets that nothing is looked into."""
    milterguard.configure({"checks": {"parts": {"enabled": False}, "banned": {"enabled": False}}})
    _, found = states(milterguard)
    assert (found["parts"], found["banned"]) == ("warning", "warning")
    assert "sealed child" not in found


def test_rules_that_hold_for_nobody_or_of_nothing_are_warned_of(milterguard: Program) -> None:
    """A set that no policy names, one that looks like one of ours, a type that no part has."""
    rule = {"title": "x", "type": "exee"}
    milterguard.configure(
        {
            "banned": {"MINE": [rule], "default": [{"name": "."}], "USED": [{"type": "zip"}]},
            "policy": {"banned_rules": ["USED", "DEFAULT"]},
        }
    )
    rows = [row for row in json.loads(milterguard("check", "--json").output) if row["subject"].startswith("banned.")]
    assert [(row["subject"], row["state"], row["text"]) for row in rows] == [
        ("banned.MINE", "warning", "no banned_rules names it: it holds for nobody"),
        ("banned.MINE", "warning", "no part is ever of type exee"),
        ("banned.default", "warning", "no banned_rules names it: it holds for nobody"),
    ]
    assert "did you mean DEFAULT" in rows[2]["advice"]


def test_files_of_lists_are_told_with_what_they_hold(milterguard: Program, tmp_path: Path) -> None:
    """A set that only a table names is not said to be for nobody; a broken line is an error with exit status 78."""
    (tmp_path / "domains").write_text("example.com\n.example.net\n")
    milterguard.configure(
        {
            "local": {"domains": [f"file:{tmp_path}/domains"]},
            "table": [{"setting": "banned_rules", "constant": ["MINE"]}],
            "banned": {"MINE": [{"extension": "x"}]},
        }
    )
    result = milterguard("check", "--json")
    rows = {row["subject"]: row["text"] for row in json.loads(result.output)}
    assert rows[f"{tmp_path}/domains"] == "2 domains"
    assert "banned.MINE" not in rows
    (tmp_path / "domains").write_text("example.com\n*\n")
    result = milterguard("check")
    assert result.exit_code == 78
    assert f"{tmp_path}/domains: line 2: expected example.com" in result.stderr
