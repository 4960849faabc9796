"""What people write today: smllib and paho, one select loop over all ports, one JSON message a telegram.

python -m bench._smllib_paho BROKERPORT PORT...
"""

from __future__ import annotations

import json
import os
import select
import sys
import termios
import tty

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from smllib.reader import SmlStreamReader

NAMES = {"0100010800ff": "import", "0100020800ff": "export", "0100100700ff": "power"}
NAMES |= {"0100200700ff": "voltage_l1", "0100340700ff": "voltage_l2"}


def main(port: int, paths: list[str]) -> None:
    """Serve until killed."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    readers = {}
    for path in paths:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(fd, termios.TCSANOW)
        readers[fd] = (path.rpartition("/")[2], SmlStreamReader())
    poll = select.poll()
    for fd in readers:
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            name, reader = readers[fd]
            try:
                reader.add(os.read(fd, 65536))
            except BlockingIOError:  # poll was wrong
                continue
            frame = reader.get_frame()
            if frame is None:
                continue
            values = {
                NAMES[entry.obis]: round(entry.value * 10 ** (entry.scaler or 0), 4)
                for entry in frame.get_obis()
                if entry.obis in NAMES
            }
            client.publish(f"peer/{name}/state", json.dumps(values))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
