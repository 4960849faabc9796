"""Run by another interpreter: sdm-modbus reads a meter over TCP and prints all that its own tables name, as JSON.

sdm_stranger.py MODEL PORT UNIT
"""

import json
import sys

import sdm_modbus

if __name__ == "__main__":
    model, port, unit = sys.argv[1:]
    device = getattr(sdm_modbus, model)(host="127.0.0.1", port=int(port), unit=int(unit), timeout=10)
    rows = {
        name: [row[0], device.read(name)]
        for name, row in device.registers.items()
        if row[2] == sdm_modbus.registerType.INPUT
    }
    device.disconnect()
    print(json.dumps(rows))
