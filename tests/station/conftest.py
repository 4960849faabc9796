"""A station of its own for each test: fresh tables, fresh load profiles, an estate, somebody to sign in."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings

from metergate.station.archive.models import Estate
from metergate.station.staff.models import Operator
from metergate.station.staff.services import create_operator
from station import street

PASSWORD = "correct horse battery"


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
