"""What each `farebox provider …` command does, one function each. They return values without secrets, for `cli/`.

A change is in force in every running process within a second, without a restart.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from farebox.base.clock import monotone_clock, rfc3339
from farebox.base.errors import OperatorError
from farebox.catalog.model import Catalog, Provider
from farebox.catalog.store import add_provider as add_catalog_row
from farebox.catalog.toml_file import parse_catalog
from farebox.providers import store
from farebox.providers.accounts import Accounts
from farebox.providers.pools import Credential
from farebox.providers.secrets import OLD_VARIABLE, VARIABLE, CannotOpen, Safe, check_secret, safe_of
from farebox.providers.store import NewCredential, StoredCredential
from farebox.wiring.catalogs import apply_first_catalog, connection_to, current_catalog
from farebox.wiring.operate import ACTOR, connected
from farebox.wiring.persons import reseal_apps
from farebox.wiring.settings import Settings

_now = monotone_clock()

# What messages call the row that a command line describes.
_COMMAND_LINE: Final = "the command line"


class CredentialView(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. `status`: active, disabled, or closed with `why` it cannot be opened."""

    credential_id: str
    provider_id: str
    pool_id: str
    name: str
    origin: str
    weight: int
    max_concurrent: int | None = None
    requests_per_minute: int | None = None
    status: Literal["active", "disabled", "closed"] = "active"
    why: str = ""
    created_at: str | None = None
    rotated_at: str | None = None


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider and its keys. `status` is the catalog's, or `not_in_catalog`; `state` whether calls could be made."""

    provider_id: str
    name: str
    base_url: str
    api_key_env: str | None
    status: str
    state: str
    credentials: list[CredentialView]


class AddedView(msgspec.Struct, frozen=True, kw_only=True):
    """A new key. `catalog_row`: the provider was put into the stored catalog, too."""

    credential: CredentialView
    catalog_row: bool


class ResealedView(msgspec.Struct, frozen=True, kw_only=True):
    """How many secrets were encrypted anew, how many had been already, and which cannot be opened: of credentials, and
    of people's authenticator apps."""

    changed: int
    already_current: int
    closed: list[str]


class ProviderWish(msgspec.Struct, frozen=True, kw_only=True):
    """A key to add, and what the provider is where the catalog does not have it yet."""

    credential: NewCredential
    profile: str | None = None
    base_url: str | None = None


def needed_safe(settings: Settings) -> Safe:
    """What seals keys. Raises OperatorError where the operator has set no key for that."""
    safe = safe_of(settings.secrets_key, settings.old_secrets_key)
    if safe is None:
        raise OperatorError(
            f"{VARIABLE} is not set, and keys are stored encrypted only",
            f"set {VARIABLE} to the output of `openssl rand -base64 32`, here and where `farebox serve` is started",
        )
    return safe


def accounts_of(settings: Settings, loaded: store.Loaded) -> Accounts:
    """The accounts as a process that starts here would know them."""
    accounts = Accounts(monotone_clock(), own_key_prefix=settings.brand.key_prefix)
    accounts.replace_stored(loaded.pools)
    return accounts


async def stored_pools(dsn: str, settings: Settings) -> store.Loaded:
    """What is stored, as a process with these settings can open it."""
    async with connected(dsn) as connection:
        return await store.load_pools(connection, safe_of(settings.secrets_key, settings.old_secrets_key))


# ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def list_providers(dsn: str, settings: Settings) -> list[ProviderView]:
    """Every provider of the catalog, and those that only have a key, with their keys."""
    safe = safe_of(settings.secrets_key, settings.old_secrets_key)
    catalog = await current_catalog(dsn)
    async with connected(dsn) as connection:
        loaded = await store.load_pools(connection, safe)
        listed = await store.list_credentials(connection)
    views: dict[str, list[CredentialView]] = {}
    for stored in listed:
        views.setdefault(stored.provider_id, []).append(credential_view(stored, safe))
    accounts = accounts_of(settings, loaded)
    found = [_provider_view(each, accounts, views.pop(each.provider_id, [])) for each in catalog.providers.values()]
    return [*found, *(_stranger(provider_id, credentials) for provider_id, credentials in views.items())]


def _provider_view(provider: Provider, accounts: Accounts, stored: list[CredentialView]) -> ProviderView:
    pools = accounts.pools(provider)
    own = [each for pool in pools for each in pool.credentials if each.origin != "stored"]
    return ProviderView(
        provider_id=provider.provider_id,
        name=provider.display_name,
        base_url=provider.base_url,
        api_key_env=provider.api_key_env,
        status=provider.status,
        state=accounts.state_for_anybody(provider),
        credentials=[*(_implicit_view(provider, credential) for credential in own), *stored],
    )


def _stranger(provider_id: str, credentials: list[CredentialView]) -> ProviderView:
    return ProviderView(
        provider_id=provider_id,
        name=provider_id,
        base_url="",
        api_key_env=None,
        status="not_in_catalog",
        state="not_configured",
        credentials=credentials,
    )


def _implicit_view(provider: Provider, credential: Credential) -> CredentialView:
    return CredentialView(
        credential_id=credential.credential_id,
        provider_id=credential.provider_id,
        pool_id=credential.pool_id,
        name=provider.api_key_env or "no key is wanted",
        origin=credential.origin,
        weight=credential.weight,
    )


def credential_view(stored: StoredCredential, safe: Safe | None) -> CredentialView:
    """A stored key for the operator's eyes."""
    why = ""
    try:
        store.open_secret(stored, safe)
    except CannotOpen as error:
        why = str(error)
    return CredentialView(
        credential_id=stored.credential_id,
        provider_id=stored.provider_id,
        pool_id=stored.pool_id,
        name=stored.name,
        origin="stored",
        weight=stored.weight,
        max_concurrent=stored.max_concurrent,
        requests_per_minute=stored.requests_per_minute,
        status="closed" if why and stored.status == "active" else stored.status,
        why=why,
        created_at=rfc3339(stored.created_at),
        rotated_at=None if stored.rotated_at is None else rfc3339(stored.rotated_at),
    )


# ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def add_provider(
    dsn: str, settings: Settings, wish: ProviderWish, secret: str, *, report: Callable[[str], None]
) -> AddedView:
    """Store a key, and the provider's row where the catalog has none. Raises OperatorError."""
    safe, secret = needed_safe(settings), check_secret(secret)
    await apply_first_catalog(dsn, settings, report)  # or the new row would be taken for the whole catalog
    new_row = _missing_row(await current_catalog(dsn), wish)
    async with connected(dsn) as connection:
        stored = await store.add_credential(connection, safe, wish.credential, secret, now_micros=_now())
    if new_row is not None:
        async with connection_to(dsn) as plain:
            await add_catalog_row(plain, new_row, actor=ACTOR)
    return AddedView(credential=credential_view(stored, safe), catalog_row=new_row is not None)


def _missing_row(catalog: Catalog, wish: ProviderWish) -> Provider | None:
    provider_id = wish.credential.provider_id
    described = wish.profile is not None or wish.base_url is not None
    if provider_id in catalog.providers:
        if described:
            raise OperatorError(
                f"the catalog has {provider_id} already",
                "leave out --profile and --base-url; what it is like is changed with `farebox catalog apply`",
            )
        return None
    if not described:
        raise OperatorError(
            f"the catalog has no provider {provider_id!r}",
            "say what it is with --profile or --base-url, or add it to catalog.toml; it has "
            + (", ".join(catalog.providers) or "none yet"),
        )
    return _read_row(provider_id, wish)


def _read_row(provider_id: str, wish: ProviderWish) -> Provider:
    """The row as catalog.toml would say it, checked as that is."""
    fields: dict[str, str] = {}
    if wish.profile is not None:
        fields["profile"] = wish.profile
    if wish.base_url is not None:
        # A variable of its own: nothing is sent there with another vendor's key, and nothing without any.
        fields |= {"base_url": wish.base_url, "api_key_env": _variable_for(provider_id)}
    if wish.profile is None:
        fields["display_name"] = provider_id
    lines = [f"[providers.{_quoted(provider_id)}]", *(f"{key} = {_quoted(value)}" for key, value in fields.items())]
    return parse_catalog("\n".join(lines), file=_COMMAND_LINE).providers[provider_id]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # TOML's basic strings are JSON's


def _variable_for(provider_id: str) -> str:
    name = re.sub(r"[^A-Z0-9]+", "_", provider_id.upper()).strip("_")[:100]
    return f"{'_' if name[:1].isdigit() else ''}{name}_API_KEY"


async def rotate_credential(dsn: str, settings: Settings, names: tuple[str, str], secret: str) -> CredentialView:
    """Give the credential (provider, id or name) a new secret. Raises OperatorError."""
    safe, secret = needed_safe(settings), check_secret(secret)
    async with connected(dsn) as connection:
        stored = await store.find_credential(connection, *names)
        await store.rotate_credential(connection, safe, stored, secret, now_micros=_now())
        return credential_view(await store.find_credential(connection, names[0], stored.credential_id), safe)


async def check_credential(dsn: str, names: tuple[str, str]) -> None:
    """Raises OperatorError when there is no such credential: before anybody is asked for a secret."""
    async with connected(dsn) as connection:
        await store.find_credential(connection, *names)


async def set_credential_status(
    dsn: str, settings: Settings, names: tuple[str, str], status: store.CredentialStatus
) -> CredentialView:
    """Disable or enable. Raises OperatorError."""
    async with connected(dsn) as connection:
        stored = await store.find_credential(connection, *names)
        await store.set_credential_status(connection, stored, status)
    return credential_view(stored._replace(status=status), safe_of(settings.secrets_key, settings.old_secrets_key))


async def remove_credential(dsn: str, settings: Settings, names: tuple[str, str]) -> CredentialView:
    """Forget it; what it was. Raises OperatorError."""
    async with connected(dsn) as connection:
        stored = await store.find_credential(connection, *names)
        await store.remove_credential(connection, stored)
    return credential_view(stored, safe_of(settings.secrets_key, settings.old_secrets_key))


async def reseal_all(dsn: str, settings: Settings) -> ResealedView:
    """Encrypt every stored secret, of providers and of authenticator apps, with the current secrets key. Raises
    OperatorError."""
    safe = needed_safe(settings)
    async with connected(dsn) as connection:
        done = await store.reseal_all(connection, safe)
        changed, current, closed = await reseal_apps(connection, safe)
    return ResealedView(
        changed=done.changed + changed,
        already_current=done.current + current,
        closed=[*(each.credential_id for each in done.closed), *closed],
    )


def reseal_fix(settings: Settings) -> str:
    """What to do about keys that could not be opened."""
    if settings.old_secrets_key is None:
        return f"set {OLD_VARIABLE} to the key that they were encrypted with, and repeat this"
    return (
        "give each credential a new secret with `farebox provider rotate`; a person signs in with a recovery code, or "
        "`farebox person reset-second-factor` helps"
    )


def find_provider(catalog: Catalog, provider_id: str) -> Provider:
    """The catalog's row. Raises OperatorError."""
    provider = catalog.provider(provider_id)
    if provider is None:
        known: Mapping[str, Provider] = catalog.providers
        raise OperatorError(f"the catalog has no provider {provider_id!r}", f"it has {', '.join(known) or 'none yet'}")
    return provider
