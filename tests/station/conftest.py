"""A station of its own for each test: fresh tables, fresh load profiles, an estate, somebody to sign in."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client
from pytest_django.fixtures import Settings

from metergate.station.archive.models import Estate
from metergate.station.staff.models import Operator
from metergate.station.staff.services import create_operator
from station import street

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where a browser asks while a test writes, the database is a file: in memory one does not wait for the other."""
    if any(item.get_closest_marker("browser") for item in request.session.items):
        file = tmp_path_factory.mktemp("database") / "station.sqlite3"
        connections["default"].settings_dict["TEST"]["NAME"] = str(file)


@pytest.fixture(autouse=True)
def _own_profiles(settings: Settings, tmp_path: Path) -> None:
    settings.PROFILES_URL = f"sqlite:///{tmp_path / 'profiles.sqlite3'}"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def estate(db: None) -> Estate:
    """The street of the tests."""
    return street.build()


@pytest.fixture
def operator(db: None) -> Operator:
    """An administrator."""
    create_operator("ops", "administrator", password=PASSWORD)
    return Operator.objects.get(username="ops")


@pytest.fixture
def desk(client: Client, operator: Operator) -> Client:
    """Their browser, signed in."""
    client.force_login(operator)
    return client
