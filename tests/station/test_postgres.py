"""The same guards in PostgreSQL: what overlaps is refused there too, and the whole way from batch to page works."""

from __future__ import annotations

import os
import subprocess
import sys

from postgres import postgres

STORY = """
import django; django.setup()
from datetime import UTC, datetime
from django.core.management import call_command
from django.db import IntegrityError, transaction
call_command("migrate", verbosity=0)
call_command("migrate", verbosity=0)
from station import street
from station.test_ingest import batch, stored
from metergate.station.archive import services
from metergate.station.archive.models import Installation, Meter, ServicePoint
from metergate.station.collect import ingest
street.build(2)
row = Installation.objects.current().first()
free = Meter.objects.create(identity="X", serial="X")

def refused(work):
    try:
        with transaction.atomic():
            work()
    except IntegrityError:
        return True
    return False

assert refused(lambda: services.install_meter(free, row.service_point, datetime(2025, 1, 1, tzinfo=UTC)))
assert refused(lambda: Installation.objects.filter(pk=row.pk).update(ct=20))
services.end(row, datetime(2025, 1, 1, tzinfo=UTC))
services.install_meter(free, row.service_point, datetime(2025, 1, 1, tzinfo=UTC))
for piece in (batch(4, after=8), batch(0), batch(0)):
    ack = ingest.store("gw-1", piece, datetime.now(UTC))
assert ack.cursor == 16 and len(stored()) == 8, (ack, stored())
from django.test import Client
from metergate.station.staff.models import Operator
from metergate.station.staff.services import create_operator
create_operator("ops", "administrator", password="correct horse battery")
client = Client()
client.force_login(Operator.objects.get())
for address in ("/", "/readings", "/lines", "/rooms/E1-B03-U2-F09-0901", "/healthz"):
    assert client.get(address).status_code == 200, address
print("well")
"""


def test_postgresql_guards_stores_and_shows() -> None:
    with postgres() as url:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "metergate.station.settings",
            "METERGATE_STATION_DATABASE": url,
            "METERGATE_STATION_HOSTS": "testserver",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        done = subprocess.run([sys.executable, "-c", STORY], env=environment, capture_output=True, text=True)
    assert done.stdout.strip().endswith("well"), done.stderr
