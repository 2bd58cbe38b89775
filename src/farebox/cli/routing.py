"""Commands about routes: which are for sale, where calls go and why, and what workspaces and keys allow."""

from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape

from farebox.catalog.policy import NO_RULE
from farebox.cli.customers import Name, workspace_app
from farebox.cli.providers import with_settings
from farebox.cli.show import Config, Json, as_json, command, err, line, rows
from farebox.routing.explain import Explanation
from farebox.routing.sale import OperatorSaleView
from farebox.routing.shown import RuleView, rule_view
from farebox.wiring import explaining, policies
from farebox.wiring.policies import LIFTED, PolicyView, read_max_prices

route_app = typer.Typer(help="Where calls go, and why not elsewhere.", no_args_is_help=True)
policy_app = typer.Typer(help="Which routes a workspace or a key allows.", no_args_is_help=True)

Key = Annotated[str | None, typer.Option(help="One of its keys, instead of the whole workspace.")]
Several = list[str] | None


class _RouteRow(msgspec.Struct):
    """A line of the table of routes."""

    route: str
    state: str
    region: str | None
    retention: str | None
    resale: str | None
    lacks: list[str]


class _FieldRow(msgspec.Struct):
    """A line of the table of a policy."""

    field: str
    effective: str
    workspace: str
    key: str


_ROUTE_COLUMNS = tuple((name, name) for name in _RouteRow.__struct_fields__)
_EXPLAINED_COLUMNS = (
    ("route", "route_id"),
    ("provider", "provider_id"),
    ("region", "region"),
    ("retention", "retention"),
    ("resale", "resale"),
    ("sla", "sla"),
    ("priority", "priority"),
)


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program."""
    app.add_typer(route_app, name="route")
    workspace_app.add_typer(policy_app, name="policy")


# ── policies ──────────────────────────────────────────────────────────────────────────────────────────────────────


@policy_app.command("set")
@command
def set_policy(
    workspace: Name,
    *,
    key: Key = None,
    region: Annotated[Several, typer.Option(help="An allowed region; repeat it for more. none: all.")] = None,
    retention: Annotated[
        str | None, typer.Option(metavar="any|no_training|nothing", help="What providers may keep.")
    ] = None,
    only: Annotated[Several, typer.Option(metavar="PROVIDER", help="An allowed provider; none: all.")] = None,
    ignore: Annotated[Several, typer.Option(metavar="PROVIDER", help="A forbidden provider; none: none.")] = None,
    resale_approved: Annotated[
        bool | None,
        typer.Option("--resale-approved/--any-resale", help="Only routes whose provider approved the resale."),
    ] = None,
    max_price: Annotated[
        Several, typer.Option(metavar="WHAT=USD", help="Like prompt=1.00 (a million tokens) or image=0.04.")
    ] = None,
    workload: Annotated[Several, typer.Option(help="An allowed workload; none: all.")] = None,
    model: Annotated[Several, typer.Option(help="An allowed model; none: all.")] = None,
    fallbacks: Annotated[bool | None, typer.Option(help="Whether a second route may be tried.")] = None,
    require_parameters: Annotated[
        bool | None,
        typer.Option("--require-parameters/--drop-parameters", help="Only routes that take all of a request."),
    ] = None,
    sort: Annotated[str | None, typer.Option(metavar="price|latency|throughput|order", help="Or none.")] = None,
    order: Annotated[Several, typer.Option(metavar="PROVIDER", help="Tried first, in this order; none: lift.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Set fields of a policy; what is not named stays. A key's policy only narrows its workspace's."""
    lists = {
        "regions": region,
        "only": only,
        "ignore": ignore,
        "workloads": workload,
        "models": model,
        "order": order,
    }
    plain = {
        "retention": retention,
        "resale_approved": resale_approved,
        "allow_fallbacks": fallbacks,
        "require_parameters": require_parameters,
        "sort": None if sort == LIFTED else sort,
    }
    changes: dict[str, Any] = {name: _list(values) for name, values in lists.items() if values}
    changes |= {name: value for name, value in plain.items() if value is not None}
    if sort == LIFTED:
        changes["sort"] = None
    if max_price:
        changes["max_price"] = read_max_prices(max_price)
    view = with_settings(config, lambda dsn, _: policies.set_policy(dsn, workspace, key=key, changes=changes))
    _show_policy(view, json=json)


@policy_app.command("show")
@command
def show_policy(workspace: Name, *, key: Key = None, config: Config = None, json: Json = False) -> None:
    """Show what a workspace or a key allows, and what that comes to."""
    _show_policy(with_settings(config, lambda dsn, _: policies.show_policy(dsn, workspace, key=key)), json=json)


@policy_app.command("clear")
@command
def clear_policy(workspace: Name, *, key: Key = None, config: Config = None, json: Json = False) -> None:
    """Lift the policy of a workspace or a key."""
    _show_policy(with_settings(config, lambda dsn, _: policies.clear_policy(dsn, workspace, key=key)), json=json)


def _list(values: list[str]) -> list[str] | None:
    return None if values == [LIFTED] else values


def _show_policy(view: PolicyView, *, json: bool) -> None:
    for warning in view.warnings:
        err.print(f"[yellow]warning:[/] {escape(warning)}")
    if json:
        as_json(view)
        return
    effective, workspace = _fields(view.effective), _fields(view.workspace)
    key = {} if view.key is None else _fields(view.key)
    found = [_FieldRow(name, value, workspace.get(name, "-"), key.get(name, "-")) for name, value in effective.items()]
    rows(
        found,
        (("field", "field"), ("in force", "effective"), ("workspace", "workspace"), ("key", "key")),
        none="every route is allowed",
    )


def _fields(rule: RuleView) -> dict[str, str]:
    """The fields that say something."""
    found: dict[str, Any] = {}
    unsaid = msgspec.to_builtins(rule_view(NO_RULE))
    for name, value in msgspec.to_builtins(rule).items():
        if name == "max_price":
            found |= {f"max_price.{what}": f"${usd}" for what, usd in value.items() if usd is not None}
        elif value != unsaid[name]:
            found[name] = (", ".join(value) or "nothing") if isinstance(value, list) else str(value).lower()
    return found


# ── routes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@route_app.command("list")
@command
def list_routes(
    *,
    model: Annotated[str | None, typer.Option(help="Only this model's.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show all routes with the state of their checklists: what is for sale, and what the others lack."""
    views = with_settings(config, lambda dsn, settings: explaining.list_routes(dsn, settings, model_id=model))
    if json:
        as_json(views)
        return
    rows([_route_row(view) for view in views], _ROUTE_COLUMNS, none="the catalog has no route yet")
    for fix, routes in _by_fix(views).items():
        line(f"[bold]{escape(', '.join(routes))}:[/] {escape(fix)}")
    line(f"[dim]{escape(explaining.KEYS_OF_THIS_COMMAND)}[/]")


def _by_fix(views: list[OperatorSaleView]) -> dict[str, list[str]]:
    """What is to be done, once, with the ids of all routes that need it."""
    found: dict[str, list[str]] = {}
    for view in views:
        for fix in view.fixes:
            found.setdefault(fix, []).append(view.sale.route.route_id)
    return found


def _route_row(view: OperatorSaleView) -> _RouteRow:
    sale, route = view.sale, view.sale.route
    return _RouteRow(
        route=route.route_id,
        state=sale.state,
        region=route.region,
        retention=route.retention,
        resale=route.resale,
        lacks=sale.missing or ([] if sale.reason is None else [sale.reason]),
    )


@route_app.command("explain")
@command
def explain_route(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model id.")],
    *,
    workspace: Annotated[str | None, typer.Option(help="Whose call it is: a workspace's id or name.")] = None,
    key: Annotated[str | None, typer.Option(help="One of its keys.")] = None,
    provider: Annotated[str | None, typer.Option(metavar="JSON", help="A request's `provider` object.")] = None,
    scope: Annotated[str | None, typer.Option(help="By which it is called; default: the model's usual one.")] = None,
    input_tokens: Annotated[int, typer.Option(min=0, help="What the call reads at most.")] = 0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say where a call of a model would go, and why not elsewhere; nothing is sent."""
    told = with_settings(
        config,
        lambda dsn, settings: explaining.explain_route(
            dsn,
            settings,
            model,
            workspace=workspace,
            key=key,
            provider=provider,
            scope=scope,
            input_tokens=input_tokens,
        ),
    )
    as_json(told) if json else _show_explanation(told)


def _show_explanation(told: Explanation) -> None:
    line(f"[bold]{escape(told.model)}[/] by {told.scope}: {escape(told.sentence)}")
    if told.routes:
        rows(told.routes, _EXPLAINED_COLUMNS, none="")
    for excluded in told.excluded:
        detail = f": {excluded.detail}" if excluded.detail else ""
        missing = f" (missing: {', '.join(excluded.missing)})" if excluded.missing else ""
        line(f"[dim]not[/] {escape(f'{excluded.route.route_id}: {excluded.meaning}{detail}{missing}')}")
    not_shown = told.routes_not_shown + told.excluded_not_shown
    if not_shown:
        line(f"{not_shown} more are not shown")
    for note in told.notes:
        line(f"[dim]{escape(note)}[/]")
