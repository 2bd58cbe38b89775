"""`farebox doctor`: looks at everything an installation stands on, and names the fix of whatever is not well."""

import asyncio
import http.client
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec
import psycopg

from farebox.base.addresses import HTTPS_PORT, is_public
from farebox.base.errors import OperatorError
from farebox.catalog.checklist import ProviderChecklist, checklists_by_provider
from farebox.catalog.model import Catalog, Provider
from farebox.mail.smtp import SmtpMailing
from farebox.mail.waiting import CannotSend
from farebox.providers.client import host_of
from farebox.providers.guard import look_up_name
from farebox.providers.store import Closed
from farebox.storage.migrate import require_current_schema
from farebox.storage.server import open_database
from farebox.wiring.admins import has_superadmin
from farebox.wiring.catalogs import current_catalog, store_catalog
from farebox.wiring.operate import verify_ledger
from farebox.wiring.people import site_of
from farebox.wiring.processes import bound
from farebox.wiring.providers import stored_pools
from farebox.wiring.settings import Settings, refuse_empty
from farebox.wiring.upstream import private_hosts

Verdict = Literal["ok", "warning", "error"]

OLDEST_PYTHON: Final = (3, 11)
HEALTH_TIMEOUT_SECONDS: Final = 2.0
# For the addresses of all providers, which are looked up at once.
LOOK_UP_SECONDS: Final = 3.0
CONNECT_TIMEOUT_SECONDS: Final = 5
# What must be on for an answered call to survive a power cut.
_DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `fix` is empty when it is well."""

    check: str
    verdict: Verdict
    detail: str
    fix: str = ""


def examine(settings: Settings, report: Callable[[str], None]) -> list[Finding]:
    """Every finding, the good ones too. Starts the embedded database if nobody runs it; changes nothing in it."""
    findings = [
        _python(),
        _home(settings),
        _port(settings),
        *_metrics(settings),
        _site(settings),
        examine_mail(settings),
    ]
    try:
        with open_database(settings.home, settings.database_url, role="guest", report=report) as database:
            findings.append(_database(database.dsn))
            findings.extend(_inside(settings, database.dsn, embedded=database.embedded))
    except OperatorError as error:
        findings.append(Finding(check="database", verdict="error", detail=error.message, fix=error.fix))
    return findings


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding(check="python", verdict="ok", detail=version)
    return Finding(check="python", verdict="error", detail=version, fix="use Python 3.11 or newer")


def _home(settings: Settings) -> Finding:
    try:
        settings.home.create()
    except OperatorError as error:
        return Finding(check="home", verdict="error", detail=error.message, fix=error.fix)
    return Finding(check="home", verdict="ok", detail=settings.home_path)


def _port(settings: Settings) -> Finding:
    host, port = settings.server.host, settings.server.port
    try:
        with bound(host, port):
            return Finding(check="port", verdict="ok", detail=f"{host}:{port} is free")
    except OperatorError as error:
        if _farebox_answers(host, port):
            return Finding(check="port", verdict="ok", detail=f"Farebox serves on {host}:{port}")
        return Finding(check="port", verdict="error", detail=error.message, fix=error.fix)


def _site(settings: Settings) -> Finding:
    server = settings.server
    site = site_of(server.public_url, host=server.host, port=server.port)
    if site is not None:
        return Finding(check="sign_in", verdict="ok", detail=f"people sign in at {site.origin}")
    return Finding(
        check="sign_in",
        verdict="warning",
        detail="nobody can sign in, because server.public_url is not set; API keys work",
        fix='set server.public_url to the address that browsers use, like "https://ai.example.com"',
    )


def examine_mail(settings: Settings) -> Finding:
    """Whether the mail server takes letters from us: it is greeted, and logged in to."""
    mail = settings.mail
    if not mail.host:
        detail = "no mail server is set, so nobody signs in by e-mail but in a demo; wallets and passkeys work"
        return Finding(check="mail", verdict="warning", detail=detail, fix="set [mail] (docs/how-to/mail.md)")
    if mail.username and settings.smtp_password is None:
        detail = f"[mail] has the account {mail.username}, but FAREBOX_SMTP_PASSWORD is not set"
        return Finding(check="mail", verdict="error", detail=detail, fix="set it where `farebox serve` is started")
    try:
        asyncio.run(SmtpMailing(mail, settings.smtp_password).greet())
    except CannotSend as error:
        fix = f"check [mail] and FAREBOX_SMTP_PASSWORD, and that {mail.host}:{mail.port} can be reached from here"
        return Finding(check="mail", verdict="error", detail=str(error), fix=fix)
    return Finding(check="mail", verdict="ok", detail=f"{mail.host}:{mail.port} takes letters from us")


def _operators(dsn: str) -> Finding:
    """Whether somebody can work in the operators' pages."""
    if asyncio.run(has_superadmin(dsn)):
        return Finding(check="operators", verdict="ok", detail="there is a superadmin")
    return Finding(
        check="operators",
        verdict="warning",
        detail="there is no superadmin, so nobody can give roles or use the pages under /admin",
        fix="make one with `farebox admin create EMAIL`",
    )


def _farebox_answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=HEALTH_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()


def _database(dsn: str) -> Finding:
    with psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
        version = connection.info.server_version
        off = [name for name in _DURABLE if _setting(connection, name) == "off"]
    detail = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if not off:
        return Finding(check="database", verdict="ok", detail=f"{detail}, {', '.join(_DURABLE)} on")
    return Finding(
        check="database",
        verdict="error",
        detail=f"{detail}: {', '.join(off)} off, so a power cut can lose answered calls",
        fix=f"set {off[0]} = on in postgresql.conf and reload it",
    )


def _setting(connection: "psycopg.Connection[tuple[object, ...]]", name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


def _inside(settings: Settings, dsn: str, *, embedded: bool) -> Iterator[Finding]:
    try:
        require_current_schema(dsn)
    except OperatorError as error:
        fix = "start `farebox serve`: it brings its own database up to date" if embedded else error.fix
        yield Finding(check="schema", verdict="error", detail=error.message, fix=fix)
        return
    yield Finding(check="schema", verdict="ok", detail="current")
    yield _operators(dsn)
    yield _catalog(settings, dsn)
    catalog = asyncio.run(current_catalog(dsn))
    loaded = asyncio.run(stored_pools(dsn, settings))
    stored = {pool.provider_id for pool in loaded.pools if pool.credentials}
    for provider in catalog.providers.values():
        yield _provider_key(provider, settings.brand.key_prefix, stored=provider.provider_id in stored)
    yield from map(_closed, loaded.closed)
    yield from asyncio.run(_addresses(settings, catalog))
    for provider_id, checklist in checklists_by_provider(catalog).items():
        if checklist.missing:
            yield _checklist(catalog.providers[provider_id], checklist)
    yield _ledger(dsn)


def _catalog(settings: Settings, dsn: str) -> Finding:
    path = settings.catalog_path
    if not path.exists():
        return Finding(check="catalog", verdict="ok", detail="there is no catalog.toml beside the configuration")
    try:
        diff = asyncio.run(store_catalog(dsn, path, actor="doctor", effective_at_micros=None, dry_run=True))
    except OperatorError as error:
        return Finding(check="catalog", verdict="error", detail=error.message, fix=error.fix)
    if not diff.changes:
        return Finding(check="catalog", verdict="ok", detail=f"as in {path}")
    return Finding(
        check="catalog",
        verdict="warning",
        detail=f"{len(diff.changes)} rows differ from {path}; the stored rows are in force",
        fix=f"see them with `farebox catalog apply {path} --dry-run`; without --dry-run the file takes effect",
    )


def _provider_key(provider: Provider, own_key_prefix: str, *, stored: bool) -> Finding:
    check, name = f"provider {provider.provider_id}", provider.api_key_env
    if name is None:
        return Finding(check=check, verdict="ok", detail="has a stored key" if stored else "needs no key")
    try:
        refuse_empty([name])
    except OperatorError as error:
        return Finding(check=check, verdict="error", detail=error.message, fix=error.fix)
    if stored:
        return Finding(check=check, verdict="ok", detail="has a stored key")
    if os.environ.get(name, "").startswith(own_key_prefix):
        return Finding(
            check=check,
            verdict="warning",
            detail=f"{name} has a key of this gateway, which no provider knows, so its routes are not ready",
            fix=f"set {name} to a key of the provider where `farebox serve` is started",
        )
    if name in os.environ:
        return Finding(check=check, verdict="ok", detail=f"{name} is set")
    return Finding(
        check=check,
        verdict="warning",
        detail=f"{name} is not set, so its routes are not ready",
        fix=f"set {name} where `farebox serve` is started, or `farebox provider add {provider.provider_id}`",
    )


def _closed(closed: Closed) -> Finding:
    return Finding(
        check=f"credential {closed.credential_id}",
        verdict="error",
        detail=f"of {closed.provider_id} cannot be opened, so it is left out: {closed.why}",
        fix="set FAREBOX_SECRETS_KEY to the key that it was stored with, or give it a new secret: "
        f"`farebox provider rotate {closed.provider_id} {closed.credential_id}`",
    )


async def _addresses(settings: Settings, catalog: Catalog) -> list[Finding]:
    """Of live providers whose address calls would refuse. A name that cannot be looked up is no finding."""
    allowed = private_hosts(settings)
    hosts = {each.provider_id: host_of(each.base_url) for each in catalog.providers.values() if each.status == "live"}
    asked = {provider_id: host for provider_id, host in hosts.items() if host not in allowed}
    private = await asyncio.gather(*map(_is_private, asked.values()))
    return [
        Finding(
            check=f"provider {provider_id}",
            verdict="error",
            detail=f"{host} is not a public address, so nothing is sent there",
            fix=f'if that is meant, add "{host}" to upstream.private_hosts in farebox.toml',
        )
        for (provider_id, host), refused in zip(asked.items(), private, strict=True)
        if refused
    ]


async def _is_private(host: str) -> bool:
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await asyncio.to_thread(look_up_name, host, HTTPS_PORT)
    except (OSError, ValueError):
        return False
    return not all(map(is_public, found))


def _checklist(provider: Provider, checklist: ProviderChecklist) -> Finding:
    check, detail = f"checklist {provider.provider_id}", checklist.sentence()
    if provider.status != "live":
        return Finding(check=check, verdict="ok", detail=f"switched off, for planning only: {detail}")
    return Finding(check=check, verdict="warning", detail=detail, fix=checklist.fix())


def _metrics(settings: Settings) -> Iterator[Finding]:
    if settings.metrics_token is None and settings.server.host not in ("127.0.0.1", "::1", "localhost"):
        yield Finding(
            check="metrics",
            verdict="warning",
            detail="/metrics can be read from this machine only",
            fix="set FAREBOX_METRICS_TOKEN if Prometheus runs elsewhere",
        )


def _ledger(dsn: str) -> Finding:
    report = asyncio.run(verify_ledger(dsn))
    if report.sound:
        detail = f"{report.checks} invariants hold over {report.entries} entries and {report.holds} holds"
        return Finding(check="ledger", verdict="ok", detail=detail)
    breach = report.breaches[0]
    return Finding(
        check="ledger",
        verdict="error",
        detail=f"{len(report.breaches)} breaches; the first: {breach.invariant}, {breach.row}: {breach.problem}",
        fix="stop serving, keep a backup as it is, and run `farebox ledger verify`",
    )
