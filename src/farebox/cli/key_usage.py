"""The command about what keys used."""

import asyncio
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from farebox.cli.running import settings_for
from farebox.cli.show import Config, Json, as_json, command, quiet_progress, rows
from farebox.records.key_usage import Label
from farebox.wiring import key_usage
from farebox.wiring.processes import ready_database

_SUMS = (
    ("today", "today_requests"),
    ("$ today", "today_usd"),
    ("month", "month_requests"),
    ("$ month", "month_usd"),
    ("all time", "all_time_requests"),
    ("$ all time", "all_time_usd"),
)
_KEY_COLUMNS = (("id", "key_id"), ("name", "name"), ("prefix", "prefix"), *_SUMS)
_UNLABELLED = "-"


class By(StrEnum):
    """What to sum up by."""

    KEY = "key"
    DEPARTMENT = "department"
    PROJECT = "project"
    CUSTOMER = "customer"


_LABELS: dict[By, Label] = {By.DEPARTMENT: "department", By.PROJECT: "project", By.CUSTOMER: "customer"}


def add_to(key_app: typer.Typer) -> None:
    """Give the command to `farebox key`."""
    key_app.command("usage")(usage)


@command
def usage(
    workspace: Annotated[str, typer.Argument(metavar="WORKSPACE", help="The workspace's id or name.")],
    *,
    by: Annotated[By, typer.Option(help="Each key, or all keys of a label together.")] = By.KEY,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show requests and dollars per key or label: of calls that started today, this month (UTC), or ever."""
    with ready_database(settings_for(config), role="guest", report=quiet_progress) as database:
        if by is By.KEY:
            _show_keys(asyncio.run(key_usage.key_usage(database.dsn, workspace)), json=json)
        else:
            _show_labels(asyncio.run(key_usage.label_usage(database.dsn, workspace, _LABELS[by])), by, json=json)


def _show_keys(views: list[key_usage.KeyUsageView], *, json: bool) -> None:
    as_json(views) if json else rows(views, _KEY_COLUMNS, none="no key used anything yet")


def _show_labels(views: list[key_usage.LabelUsageView], by: By, *, json: bool) -> None:
    if json:
        as_json(views)
        return
    shown = [msgspec.structs.replace(view, label=view.label or _UNLABELLED) for view in views]
    rows(shown, ((by.value, "label"), ("keys", "keys"), *_SUMS), none="no key used anything yet")
