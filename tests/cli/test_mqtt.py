"""The MQTT toolbox at a real broker: what it prints and the status it ends with."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokers import Mosquitto, mosquitto
from metergate.cli.mqtt import app
from metergate.wire.sparkplug import DataType, Metric, Payload, encode

GLOW_CLOUD = (
    b'{"elecMtr":{"0702":{"03":{"00":"00","01":"00000001","02":"000003E8","07":"1023497978063"},'
    b'"00":{"00":"0000004D64CC"}}},"time":"5F7CD93C"}'
)


def mqtt(*words: str) -> int:
    """The status of `metergate mqtt ...`."""
    try:
        app(list(words))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path_factory.mktemp("toolbox")) as running:
        yield running


def test_conn_tells_what_it_found(broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    assert mqtt("conn", "-u", broker.url) == 0
    told = capsys.readouterr().out
    assert "CONNACK code 0" in told
    assert "protocol             5" in told
    assert "session present      no" in told


def test_publish_and_see_it_retained(broker: Mosquitto, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert mqtt("pub", "-u", broker.url, "-t", "kept/text", "-m", "Zähler", "-r") == 0
    assert mqtt("pub", "-u", broker.url, "-t", "kept/bytes", "--hex", "00ff", "-r", "-q", "2") == 0
    file = tmp_path / "payload"
    file.write_bytes(b'{"a":1}')
    assert mqtt("pub", "-u", broker.url, "-t", "kept/file", "--file", str(file), "-r", "--prop", "k=v") == 0
    capsys.readouterr()
    assert mqtt("retained", "-u", broker.url, "kept/#", "--wait", "0.3") == 0
    assert capsys.readouterr().out.splitlines() == ["kept/bytes 2 00 ff", 'kept/file 7 {"a":1}', "kept/text 7 Zähler"]
    save = tmp_path / "saved.jsonl"
    words = ("sub", "-u", broker.url, "-t", "kept/#", "--retained-only", "--count", "3", "--save", str(save))
    assert mqtt(*words, "--decode", "hex") == 0
    assert "kept/text (q0 r) 5a c3 a4 68 6c 65 72" in capsys.readouterr().out
    assert len([json.loads(line) for line in save.read_text().splitlines()]) == 3
    assert mqtt("tree", "-u", broker.url, "kept/#", "-d", "0.3") == 0
    tree = capsys.readouterr().out.splitlines()
    assert tree[0] == "kept"
    assert tree[3].startswith("  text  1 (")
    assert mqtt("pub", "-u", broker.url, "--retain-clear", "kept/text") == 0
    assert mqtt("pub", "-u", broker.url, "--retain-clear", "kept/#", "--yes") == 0
    capsys.readouterr()
    assert mqtt("retained", "-u", broker.url, "kept/#", "--wait", "0.3") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("how", "payload", "shown"),
    [
        ("auto", b"text", "text"),
        ("auto", b"\xff\x00", "ff 00"),
        ("json", b'{"a":1}', '{\n  "a": 1\n}'),
        ("json", b"{", "no JSON: {"),
        ("base64", b"text", "dGV4dA=="),
        ("sparkplug", encode(Payload(5, 7, (Metric("power", 1, 5, DataType.DOUBLE, 0.5),))), "power = 0.5"),
        ("sparkplug", b"\xff", "(Truncated"),
        ("protobuf-raw", b"\x08\x05", "1: 5"),
        ("glow", b'{"gasmeter":{"energy":{"import":{"cumulative":1.5,"units":"kWh"}}}}', "gasmeter None 1.5 kWh"),
        ("glow", b"[]", "[]"),
        ("glow-cloud", GLOW_CLOUD, "1023497978063/1-0:1.8.0*255 5072.076 kWh"),
        ("glow-cloud", b"[]", "(BadValue"),
        ("dlt645", b"\x00", "noise"),
    ],
)
def test_decoders(how: str, payload: bytes, shown: str, broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    assert mqtt("pub", "-u", broker.url, "-t", "show/it", "--hex", payload.hex(), "-r") == 0
    assert mqtt("sub", "-u", broker.url, "-t", "show/it", "--decode", how, "--count", "1") == 0
    assert shown in capsys.readouterr().out


def test_statistics(broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    assert mqtt("pub", "-u", broker.url, "-t", "stats/a", "-m", "12345", "-r") == 0
    assert mqtt("sub", "-u", broker.url, "-t", "stats/#", "--stats", "--seconds", "0.3") == 0
    line, total = capsys.readouterr().out.splitlines()
    assert line.endswith("stats/a")
    assert " 5 bytes in " in total


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("conn", "-u", "mqtt://127.0.0.1:1"), 3),
        (("conn", "-u", "http://127.0.0.1"), 2),
        (("conn", "-u", "mqtt://192.0.2.1"), 2),
        (("sub", "-t", "a/#/b"), 2),
        (("sub", "-t", "a", "--decode", "nonsense"), 2),
        (("pub", "-t", "a/+", "-m", "x"), 2),
        (("pub", "-t", "a"), 2),
        (("pub", "-t", "a", "-m", "x", "--hex", "00"), 2),
        (("pub", "-t", "a", "--hex", "0g"), 2),
        (("pub", "-t", "a", "-m", "x", "--prop", "k"), 2),
        (("topics-match", "a/+/c", "a/b/c"), 0),
        (("topics-match", "a/+/c", "a/b/d"), 1),
        (("topics-match", "a#", "a"), 2),
    ],
)
def test_status(words: tuple[str, ...], status: int) -> None:
    assert mqtt(*words) == status


def test_timeout_is_status_5(broker: Mosquitto) -> None:
    assert mqtt("sub", "-u", broker.url, "-t", "never", "--count", "1", "--seconds", "0.1") == 5


def test_refused_is_status_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "users").write_text("")
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {tmp_path}/users") as strict:
        monkeypatch.setenv("METERGATE_MQTT_PASSWORD", "hidden")
        assert mqtt("conn", "-u", f"mqtt://me@127.0.0.1:{strict.port}") == 4
        assert "hidden" not in "".join(capsys.readouterr())


def test_standard_input_and_a_live_subscriber(broker: Mosquitto) -> None:
    """The program as people start it: one process listens, another publishes what it reads."""
    program = [sys.executable, "-m", "metergate.cli", "mqtt"]
    listener = subprocess.Popen(
        [*program, "sub", "-u", broker.url, "-t", "live/#", "--count", "1", "--seconds", "60"], stdout=subprocess.PIPE
    )
    done = threading.Event()

    def publish() -> None:
        while not done.is_set():
            command = [*program, "pub", "-u", broker.url, "-t", "live/x", "--stdin"]
            subprocess.run(command, input=b"from standard input", check=True)

    publisher = threading.Thread(target=publish)
    publisher.start()
    told = listener.communicate(timeout=60)[0].decode()
    done.set()
    publisher.join()
    assert listener.returncode == 0
    assert told.endswith("live/x (q0) from standard input\n")


def test_ctrl_c_before_the_broker_answers_leaves_nothing_on_the_screen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "metergate.cli", "mqtt", "sub", "-u", url, "-t", "x"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
            caller, _ = silent.accept()
            with caller:
                caller.recv(1)
                waiting.send_signal(signal.SIGINT)
                told = waiting.communicate(timeout=30)
    assert (waiting.returncode, told) == (0, (b"", b""))


def test_a_question_that_nobody_answers_deletes_nothing(broker: Mosquitto) -> None:
    assert mqtt("pub", "-u", broker.url, "-t", "stays/here", "-m", "x", "-r") == 0
    command = [sys.executable, "-m", "metergate.cli", "mqtt", "pub", "-u", broker.url, "--retain-clear", "stays/#"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "nothing is deleted" in done.stderr
    assert mqtt("sub", "-u", broker.url, "-t", "stays/#", "--retained-only", "--count", "1", "--seconds", "5") == 0
