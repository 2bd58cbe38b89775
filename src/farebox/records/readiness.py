"""What this deployment can do now: computed where it can be known, declared by the operator where it cannot. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, Protocol, get_args

import msgspec

from farebox.catalog.checklist import PRICE, ProviderChecklist, checklists_by_provider
from farebox.catalog.model import Catalog, Provider, Workload
from farebox.mail.letter import MailState

State = Literal["live", "operator_action_needed", "third_party_blocked", "disabled_safely"]


class ReadinessItem(msgspec.Struct, frozen=True, kw_only=True):
    """One capability. `detail` is for customers; `fix` is for the operator alone and never leaves /admin and doctor."""

    capability: str
    title: str
    state: State
    detail: str
    fix: str = ""


class Declared(Protocol):
    """An item of `[[readiness]]` in `farebox.toml`."""

    @property
    def capability(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def detail(self) -> str: ...


class SignInState(msgspec.Struct, frozen=True, kw_only=True):
    """`has_site`: a public address is set. `mail`: how sending letters goes. `has_secrets_key`: secrets of
    authenticator apps can be stored."""

    has_site: bool
    mail: MailState
    has_secrets_key: bool = True


READY: Final = "ready"
RESTING: Final = "resting"

# What customers read of a checklist's open items; the others are the operator's own affair.
_WORDS: Final = {"contract_review": "contract review", "resale": "resale approval", PRICE: "a price"}
_OTHER_ITEMS: Final = "the rest of its checklist"


def readiness(
    catalog: Catalog,
    provider_states: Mapping[str, str],
    declared: Iterable[Declared],
    *,
    database_ok: bool,
    sign_in: SignInState | None = None,
) -> list[ReadinessItem]:
    """The database, each provider of the catalog, signing in (None: not looked at), then what is declared.

    `provider_states` maps provider ids to `ready`, `not_configured` (also when absent) or `resting`. A declared item
    replaces a computed one of the same capability, unless that is live: what works is never shown as blocked.
    """
    computed = [_database(database_ok)]
    for provider_id, checklist in checklists_by_provider(catalog).items():
        computed.append(_provider(catalog, checklist, provider_states.get(provider_id, "not_configured")))
    if sign_in is not None:
        computed += [_sign_in(sign_in), _authenticator_apps(sign_in)]
    items = {item.capability: item for item in computed}
    for other in declared:
        known = items.get(other.capability)
        if known is None or known.state != "live":
            items[other.capability] = ReadinessItem(
                capability=other.capability,
                title=other.title,
                state=other.state,
                detail=other.detail,
                fix="" if known is None else known.fix,
            )
    return list(items.values())


def _database(database_ok: bool) -> ReadinessItem:
    if database_ok:
        return ReadinessItem(
            capability="database", title="Database", state="live", detail="Balances and receipts are being written."
        )
    return ReadinessItem(
        capability="database",
        title="Database",
        state="operator_action_needed",
        detail="Calls are refused until the database answers again.",
        fix="Check that PostgreSQL runs and that DATABASE_URL names it.",
    )


def _sign_in(found: SignInState) -> ReadinessItem:
    state, detail, fix = _sign_in_state(found)
    return ReadinessItem(capability="email_sign_in", title="Sign-in by e-mail", state=state, detail=detail, fix=fix)


def _authenticator_apps(found: SignInState) -> ReadinessItem:
    return ReadinessItem(
        capability="authenticator_apps",
        title="Authenticator apps",
        state="live" if found.has_secrets_key else "operator_action_needed",
        detail="Codes of an app can be the second factor."
        if found.has_secrets_key
        else "No authenticator apps yet; passkeys are a second factor.",
        fix="" if found.has_secrets_key else "Set FAREBOX_SECRETS_KEY to the output of `openssl rand -base64 32`.",
    )


def _sign_in_state(found: SignInState) -> tuple[State, str, str]:
    """State, detail and fix."""
    if not found.has_site:
        fix = "Set server.public_url to the address that people's browsers use."
        return "operator_action_needed", "Nobody can sign in yet; API keys work.", fix
    if found.mail.kind == "none":
        fix = "Set [mail] to a mail server; until then people sign in with wallets and passkeys."
        return "operator_action_needed", "No e-mail is sent yet; wallets and passkeys sign in.", fix
    if found.mail.failure:
        fix = f"The newest letter was not sent: {found.mail.failure}. Run `farebox doctor`."
        return "operator_action_needed", "The newest letter could not be sent.", fix
    if found.mail.kind == "demo":
        return "live", "Letters of this demo lie in its mailbox; none are sent.", ""
    return "live", "Codes and links are sent by e-mail.", ""


def _provider(catalog: Catalog, checklist: ProviderChecklist, state: str) -> ReadinessItem:
    provider = catalog.providers[checklist.provider_id]
    found, detail, fix = _provider_state(catalog, provider, checklist, state)
    return ReadinessItem(
        capability=f"{provider.provider_id}_availability",
        title=f"{provider.display_name} availability",
        state=found,
        detail=detail,
        fix=fix,
    )


def _provider_state(
    catalog: Catalog, provider: Provider, checklist: ProviderChecklist, state: str
) -> tuple[State, str, str]:
    """State, detail and fix."""
    open_work = f"{checklist.sentence()}: {checklist.fix()}." if checklist.missing else ""
    if provider.status != "live":
        fix = _sentences("Set its status to live in catalog.toml and apply the file.", open_work)
        reason = provider.status_reason or "Switched off by the operator."
        return "disabled_safely", _sentences(reason, _for_planning(provider, checklist, state)), fix
    if state == RESTING:
        detail = "The provider refuses our calls at the moment; other providers are used."
        return "operator_action_needed", detail, "Check the account's key and funding at the provider."
    if state != READY:
        return "operator_action_needed", "Not connected yet.", _sentences(_key_fix(provider), open_work)
    if not checklist.able:
        return "operator_action_needed", _nothing_sold(checklist), open_work or "Add live routes to catalog.toml."
    workloads = ", ".join(_workloads_sold(catalog, checklist))
    return "live", provider.status_reason or f"Serves models for {workloads}.", open_work


def _key_fix(provider: Provider) -> str:
    return f"Set the environment variable {provider.api_key_env}." if provider.api_key_env else ""


def _for_planning(provider: Provider, checklist: ProviderChecklist, state: str) -> str:
    """What a provider that is switched off needs besides being switched on, for customers who plan with it."""
    needs = _needs(checklist)
    if provider.api_key_env and state not in (READY, RESTING):
        needs = ["an API key", *needs]
    return f"Visible for planning; it needs {_listed(needs)}." if needs else ""


def _nothing_sold(checklist: ProviderChecklist) -> str:
    if not checklist.missing:
        return "None of its models is switched on."
    if checklist.missing == (PRICE,):
        return "None of its models has a price yet."
    return f"Not for sale yet; it needs {_listed(_needs(checklist))}."


def _needs(checklist: ProviderChecklist) -> list[str]:
    """What is missing, in words for customers: only what they have heard of, the rest as one."""
    needs = [words for item, words in _WORDS.items() if item in checklist.missing]
    return needs if _WORDS.keys() >= set(checklist.missing) else [*needs, _OTHER_ITEMS]


def _listed(words: list[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _sentences(*texts: str) -> str:
    """Sentences one after the other; the operator's own words may lack their full stop."""
    found = [text.strip() for text in texts if text.strip()]
    return " ".join(text if text[-1] in ".!?" or text is found[-1] else f"{text}." for text in found)


def _workloads_sold(catalog: Catalog, checklist: ProviderChecklist) -> list[Workload]:
    """The workloads of its models that can be called, in the order of the closed list."""
    found = {catalog.models[route.model_id].workload for route in checklist.able}
    return [workload for workload in get_args(Workload) if workload in found]
