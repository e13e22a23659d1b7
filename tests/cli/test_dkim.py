# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard dkim``: from no key to signed mail, as a new postmaster goes."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from milterguard.keys.client import SocketKeys
from milterguard.keys.private import read_pem
from tests.cli.conftest import Program
from tests.daemons import private_folder
from tests.fakes.dns import DnsServer


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


def configured(program: Program, folder: Path, dns: DnsServer, *, more: str = "") -> str:
    file = folder / "milterguard.toml"
    entry = '[[dkim_key]]\ndomain = "example.com"\nselector = "s1"\nfile = "{}"\n'
    text = f'[dns]\nservers = ["{dns.address}"]\ntimeout_seconds = 0.3\ndns_budget_seconds = 0.6\n'
    file.write_text(text + more + entry.format(folder / "example.com.s1.pem"))
    return str(file)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_is_made(kind: str, milterguard: Program, tmp_path: Path) -> None:
    """Closed to others, never written over, with what to do next."""
    made = milterguard("dkim", "genkey", "Example.COM", "S1", "--type", kind, "--directory", str(tmp_path))
    assert made.exit_code == 0, made.output
    file = tmp_path / "example.com.s1.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = read_pem(file.read_bytes(), where="x")
    assert "".join(re.findall(r'"([^"]*)"', made.output.partition("[[")[0])) == key.record
    assert f'file = "{file}"' in made.output
    assert "milterguard dkim test" in made.output
    before = file.read_bytes()
    again = milterguard("dkim", "genkey", "example.com", "s1", "--directory", str(tmp_path))
    assert (again.exit_code, file.read_bytes()) == (1, before)
    assert "there already" in again.output


def test_records_are_cut_for_zone_files(milterguard: Program, tmp_path: Path, dns: DnsServer) -> None:
    """Strings of 255 octets at most, in parentheses; whole for programs."""
    milterguard("dkim", "genkey", "example.com", "s1", "--bits", "4096", "--directory", str(tmp_path))
    config = configured(milterguard, tmp_path, dns)
    shown = milterguard("dkim", "show", "--config", config)
    assert shown.exit_code == 0
    strings = re.findall(r'"([^"]*)"', shown.output)
    assert shown.output.startswith("s1._domainkey.example.com. IN TXT (\n")
    assert len(strings) > 2
    assert max(map(len, strings)) == 255
    (told,) = json.loads(milterguard("dkim", "show", "--config", config, "--json").output)
    assert told["record"] == "".join(strings)
    assert milterguard("dkim", "show", "other.example", "--config", config).exit_code == 66


def test_the_dns_is_compared_with_the_keys(milterguard: Program, tmp_path: Path, dns: DnsServer) -> None:
    """Missing, as it should be, another's, damaged, twice, in test mode, out of reach."""
    milterguard("dkim", "genkey", "example.com", "s1", "--directory", str(tmp_path))
    config = configured(milterguard, tmp_path, dns)
    (told,) = json.loads(milterguard("dkim", "show", "--config", config, "--json").output)
    other = json.loads(milterguard("dkim", "genkey", "x.example", "s", "--directory", str(tmp_path), "--json").output)
    record = told["record"]
    for records, status, words in (
        ([], 1, "no TXT record"),
        ([record], 0, "published"),
        ([other["record"]], 1, "another key"),
        ([record[:-20]], 1, "damaged"),
        ([record, f"{record};"], 1, "2 TXT records"),
        ([f"{record}; t=y"], 0, "test mode"),
        ([f"{record}; h=sha1"], 1, "not for SHA-256"),
        ([f"{record}; s=tlsrpt"], 1, "not for mail"),
    ):
        dns.serve({told["name"]: [{"TXT": each} for each in records]} if records else {})
        tested = milterguard("dkim", "test", "--config", config)
        assert (tested.exit_code, words in tested.output) == (status, True), tested.output
    dns.fault = "SERVFAIL"
    tested = milterguard("dkim", "test", "--config", config)
    assert (tested.exit_code, "no answer" in tested.output, "FAILED" in tested.output) == (75, True, False)


def test_a_key_that_cannot_be_used_hides_no_other(milterguard: Program, tmp_path: Path, dns: DnsServer) -> None:
    """Its file is told, the others are shown and tested."""
    made = milterguard("dkim", "genkey", "good.example", "s", "--directory", str(tmp_path), "--json")
    config = configured(milterguard, tmp_path, dns)
    (tmp_path / "example.com.s1.pem").write_text("nonsense")
    (tmp_path / "example.com.s1.pem").chmod(0o600)
    with Path(config).open("a") as file:
        file.write(f'[[dkim_key]]\ndomain = "good.example"\nselector = "s"\nfile = "{tmp_path}/good.example.s.pem"\n')
    told = json.loads(made.output)
    dns.serve({told["name"]: [{"TXT": told["record"]}]})
    shown = milterguard("dkim", "show", "--config", config)
    assert shown.exit_code == 78
    assert "s._domainkey.good.example. IN TXT" in shown.output
    assert "[[dkim_key]] 1" in shown.output
    tested = milterguard("dkim", "test", "--config", config, "--json")
    assert tested.exit_code == 1
    assert {each["name"]: each["ok"] for each in json.loads(tested.output)} == {
        "example.com": False,
        told["name"]: True,
    }
    assert milterguard("dkim", "test", "good.example", "--config", config).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("genkey", "com", "s"), "no domain"),
        (("genkey", "exa mple.com", "s"), "no domain"),
        (("genkey", "example.com", "a b"), "no selector"),
        (("genkey", "example.com", "s", "--bits", "512"), "512"),
    ],
)
def test_slips_are_told(arguments: tuple[str, ...], words: str, milterguard: Program, tmp_path: Path) -> None:
    """And nothing is made."""
    told = milterguard("dkim", *arguments, "--directory", str(tmp_path / "x"))
    assert told.exit_code == 64
    assert words in told.output
    assert not (tmp_path / "x").exists()


def test_keys_in_a_process_of_their_own(milterguard: Program, tmp_path: Path, dns: DnsServer) -> None:
    """It says when it answers, signs, and goes when told to."""
    with private_folder() as folder:
        milterguard("dkim", "genkey", "example.com", "s1", "--directory", str(tmp_path))
        path = folder / "keys.sock"
        config = configured(milterguard, tmp_path, dns, more=f'[signing]\nsigner = "unix:{path}"\n')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(folder / "notify"))
            manager.settimeout(20)
            command = [sys.executable, "-m", "milterguard", "dkim", "serve", "--config", config]
            environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
                assert manager.recv(200).startswith(b"READY=1")
                keys = SocketKeys(str(path), seconds=5)
                (key,) = keys.keys("example.com")
                pem = (tmp_path / "example.com.s1.pem").read_bytes()
                assert keys.sign(key, bytes(32)) == read_pem(pem, where="x").sign(bytes(32))
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
        assert not path.exists()


def test_a_reload_takes_new_entries_or_none(milterguard: Program, tmp_path: Path, dns: DnsServer) -> None:
    """SIGHUP: with settings that hold the new key signs; with others the former keys stay."""
    with private_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        for selector in ("s1", "s2"):
            milterguard("dkim", "genkey", "example.com", selector, "--directory", str(tmp_path))
        path = folder / "keys.sock"
        config = Path(configured(milterguard, tmp_path, dns, more=f'[signing]\nsigner = "unix:{path}"\n'))
        manager.bind(str(folder / "notify"))
        manager.settimeout(20)
        command = [sys.executable, "-m", "milterguard", "dkim", "serve", "--config", str(config)]
        environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            await_ready(manager)
            keys = SocketKeys(str(path), seconds=5)
            entry = f'[[dkim_key]]\ndomain = "example.com"\nselector = "s2"\nfile = "{tmp_path}/example.com.s2.pem"\n'
            found = []
            for text in (config.read_text() + entry, "nonsense"):
                config.write_text(text)
                process.send_signal(signal.SIGHUP)
                await_ready(manager)
                found.append([key.selector for key in keys.keys("example.com")])
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=20)
    assert found == [["s1", "s2"], ["s1", "s2"]]
    assert "keys: the former ones stay: " in told


def await_ready(manager: socket.socket) -> None:
    while not manager.recv(200).startswith(b"READY=1"):
        pass


def test_without_a_socket_or_a_key_it_does_not_start(milterguard: Program, tmp_path: Path, dns: DnsServer) -> None:
    """And says which setting is missing."""
    config = configured(milterguard, tmp_path, dns)
    told = milterguard("dkim", "serve", "--config", config)
    assert (told.exit_code, "signing.signer" in told.output) == (78, True)
    config = configured(milterguard, tmp_path, dns, more=f'[signing]\nsigner = "unix:{tmp_path}/s"\n')
    told = milterguard("dkim", "serve", "--config", config)
    assert told.exit_code == 78
    assert "No such file" in told.output
