"""What Django's constraints cannot say, said to the database itself: periods do not overlap, dated rows do not change.

SQLite keeps it in triggers, PostgreSQL in exclusion constraints and a trigger. Installed after every migration,
because SQLite rebuilds a table, without its triggers, whenever a column changes.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connections

from metergate.station.archive.models.base import Dated

MAY_CHANGE = "superseded_at"


def install(using: str = "default", **_: Any) -> None:
    """Put the guards of every dated table in place; doing so again changes nothing."""
    connection = connections[using]
    build = {"sqlite": _sqlite, "postgresql": _postgresql}[connection.vendor]
    existing = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if issubclass(model, Dated) and model._meta.db_table in existing:
                for statement in build(model):
                    cursor.execute(statement)


def _fixed(model: type[Dated]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields if field.column != MAY_CHANGE]


def _sqlite(model: type[Dated]) -> list[str]:
    table = model._meta.db_table
    statements = []
    for columns in model.overlaps:
        name = f"{table}_{'_'.join(columns)}_overlap"
        same = " AND ".join(f"o.{column} = NEW.{column}" for column in columns)
        refuse = (
            f"BEGIN SELECT RAISE(ABORT, '{name}') FROM {table} o "  # noqa: S608 - names of our own tables
            f"WHERE {same} AND o.id <> NEW.id AND o.superseded_at IS NULL "
            "AND (NEW.valid_to IS NULL OR o.valid_from < NEW.valid_to) "
            "AND (o.valid_to IS NULL OR NEW.valid_from < o.valid_to); END"
        )
        for moment in ("INSERT", "UPDATE"):
            trigger = f"{name}_{moment.lower()}"
            head = f"CREATE TRIGGER {trigger} BEFORE {moment} ON {table} WHEN NEW.superseded_at IS NULL "
            statements += [f"DROP TRIGGER IF EXISTS {trigger}", head + refuse]
    changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in _fixed(model))
    statements += [
        f"DROP TRIGGER IF EXISTS {table}_append_only",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} WHEN OLD.superseded_at IS NOT NULL OR {changed} "
        f"BEGIN SELECT RAISE(ABORT, '{table}_append_only'); END",
    ]
    return statements


def _postgresql(model: type[Dated]) -> list[str]:
    table = model._meta.db_table
    statements = ["CREATE EXTENSION IF NOT EXISTS btree_gist"]
    for columns in model.overlaps:
        name = f"{table}_{'_'.join(columns)}_overlap"
        same = ", ".join(f"{column} WITH =" for column in columns)
        statements += [
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}",
            f"ALTER TABLE {table} ADD CONSTRAINT {name} EXCLUDE USING gist "
            f"({same}, tstzrange(valid_from, valid_to) WITH &&) WHERE (superseded_at IS NULL)",
        ]
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in _fixed(model))
    statements += [
        f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{table}_append_only' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} FOR EACH ROW "
        f"WHEN (OLD.superseded_at IS NOT NULL OR {changed}) EXECUTE FUNCTION {table}_append_only()",
    ]
    return statements
