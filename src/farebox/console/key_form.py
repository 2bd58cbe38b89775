"""The fields of a key's form: as they are typed, as they are filled in for a key that is there, and what they ask for.

Fields are called like the parts of the JSON API, so that what it refuses is shown at the field. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

import msgspec
from msgspec import UNSET, UnsetType

from farebox.access.form import Form
from farebox.access.key_views import KeyBody, KeyView
from farebox.base.addresses import Network
from farebox.base.clock import parse_rfc3339, rfc3339
from farebox.base.errors import Problem
from farebox.base.money import format_usd
from farebox.catalog.policy import NO_RULE, KeptAtMost, Rule
from farebox.identity.checks import read_networks
from farebox.identity.grants import SPANS, Wanted
from farebox.identity.model import DEFAULT_SCOPES, SCOPES
from farebox.ledger.limit_texts import MAX_REQUESTS
from farebox.ledger.limits import LimitChange
from farebox.records.balance import LimitState
from farebox.routing.shown import rule_view
from farebox.routing.wishes import read_dollars, read_policy

LABELS: Final = ("department", "project", "customer")
RETENTIONS: Final[tuple[str, ...]] = get_args(KeptAtMost)
SCOPE_WORDS: Final[Mapping[str, str]] = {
    "chat.completions": "Chat completions",
    "responses": "Responses",
    "messages": "Messages",
    "embeddings": "Embeddings",
    "images": "Images",
    "videos": "Videos",
    "audio": "Audio",
    "models.read": "List models",
    "usage.read": "Read balance and usage of the whole workspace",
    "keys.manage": "Manage the keys of the workspace",
}
_LIMIT_FIELDS: Final = tuple(f"limits.{span}.{unit}" for span in SPANS for unit in ("requests", "usd"))
POLICY_FIELDS: Final = ("policy.regions", "policy.retention", "policy.only", "policy.ignore")
FIELDS: Final = (
    "name",
    *LABELS,
    "scopes",
    "models",
    "ip_allow",
    "expires_at",
    *_LIMIT_FIELDS,
    *POLICY_FIELDS,
)
"""All of them."""
_TO_MINUTES: Final = len("2026-11-21T20:11")
# More digits than any limit has.
_MAX_DIGITS: Final = len(str(MAX_REQUESTS))


class PolicyFields(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a policy that the form has. No regions and no `only`: any."""

    regions: list[str] = []
    retention: str = "any"
    only: list[str] = []
    ignore: list[str] = []


class KeyFields(msgspec.Struct, frozen=True, kw_only=True):
    """A form's fields. `models` and `ip_allow` empty: any; `limits` by the names of their fields."""

    name: str = ""
    department: str = ""
    project: str = ""
    customer: str = ""
    scopes: list[str] = msgspec.field(default_factory=lambda: [one for one in SCOPES if one in DEFAULT_SCOPES])
    models: list[str] = []
    ip_allow: str = ""
    expires_at: str = ""
    limits: dict[str, str] = {}
    policy: PolicyFields = PolicyFields()


def typed_key(form: Form) -> KeyFields:
    """As it was sent."""
    return KeyFields(
        **form.typed("name", *LABELS, "ip_allow", "expires_at"),
        scopes=form.all("scopes"),
        models=form.all("models"),
        limits=typed_limits(form),
        policy=typed_policy(form),
    )


def typed_limits(form: Form) -> dict[str, str]:
    """The fields of limits as they were sent."""
    return form.typed(*_LIMIT_FIELDS)


def typed_policy(form: Form) -> PolicyFields:
    """The fields of a policy as they were sent."""
    return PolicyFields(
        regions=form.all("policy.regions"),
        retention=form.text("policy.retention", "any"),
        only=form.all("policy.only"),
        ignore=form.all("policy.ignore"),
    )


def fields_of(key: KeyView) -> KeyFields:
    """A key as its form begins."""
    record = key.record
    return KeyFields(
        name=record.name,
        department=record.labels.department,
        project=record.labels.project,
        customer=record.labels.customer,
        scopes=[scope for scope in SCOPES if scope in record.scopes],
        models=sorted(record.allowed_models or ()),
        ip_allow="\n".join(str(network) for network in record.ip_allow or ()),
        expires_at="" if record.expires_at is None else rfc3339(record.expires_at)[:_TO_MINUTES],
        limits=limit_fields(key.limits),
        policy=policy_fields(key.holding.rule),
    )


def shown_text(fields: KeyFields | PolicyFields) -> str:
    """How a form was opened, for the form to carry."""
    return msgspec.json.encode(fields).decode()


def shown_before(form: Form, key: KeyView) -> KeyFields:
    """How a form was opened, so that it changes what was typed anew and nothing that somebody else changed meanwhile;
    the key as it is, where the form does not say."""
    try:
        return msgspec.json.decode(form.text("shown"), type=KeyFields)
    except msgspec.DecodeError:
        return fields_of(key)


def shown_policy_before(form: Form, now: PolicyFields) -> PolicyFields:
    """The same of a form that has a policy alone."""
    try:
        return msgspec.json.decode(form.text("shown"), type=PolicyFields)
    except msgspec.DecodeError:
        return now


def merged_policy(before: PolicyFields, typed: PolicyFields, now: PolicyFields) -> PolicyFields:
    """What was typed anew, and the rest as it is now."""
    anew = {
        name: getattr(typed, name) for name in typed.__struct_fields__ if getattr(typed, name) != getattr(before, name)
    }
    return msgspec.structs.replace(now, **anew)


def limit_fields(limits: Iterable[LimitState]) -> dict[str, str]:
    """Limits as they stand in their fields."""
    shown = {
        f"limits.{limit.span}.{limit.unit}": format_usd(limit.limit) if limit.unit == "usd" else str(limit.limit)
        for limit in limits
    }
    return dict.fromkeys(_LIMIT_FIELDS, "") | shown


def policy_fields(rule: Rule | None) -> PolicyFields:
    """A policy as its form begins; one that cannot be read (None) begins anew."""
    policy = (rule or NO_RULE).policy
    return PolicyFields(
        regions=sorted(policy.regions or ()),
        retention=policy.max_kept,
        only=sorted(policy.only_providers or ()),
        ignore=sorted(policy.ignored_providers),
    )


def new_body(fields: KeyFields) -> KeyBody:
    """What the form of a new key asks for. Raises Problem(`invalid_request`) with `param`, KeyFault."""
    rule = policy_of(fields.policy, NO_RULE)
    return KeyBody(
        name=fields.name,
        labels={label: getattr(fields, label) for label in LABELS},
        wanted=Wanted(
            scopes=frozenset(fields.scopes),
            models=frozenset(fields.models) or None,
            ip_allow=_networks(fields.ip_allow),
            expires_at=_moment(fields.expires_at),
            policy=rule.policy,
            limits=tuple(limit_changes(fields.limits, {})),
        ),
        preference=rule.preference,
    )


def changed_body(before: KeyFields, after: KeyFields) -> KeyBody | None:
    """What a form asks to be different; None: nothing. Limits and policy have forms of their own.

    Raises Problem(`invalid_request`) with `param`, KeyFault.
    """
    scopes: frozenset[str] | UnsetType = UNSET
    models: frozenset[str] | UnsetType | None = UNSET
    networks: tuple[Network, ...] | UnsetType | None = UNSET
    expires_at: int | UnsetType | None = UNSET
    if set(after.scopes) != set(before.scopes):
        scopes = frozenset(after.scopes)
    if set(after.models) != set(before.models):
        models = frozenset(after.models) or None
    if after.ip_allow.split() != before.ip_allow.split():
        networks = _networks(after.ip_allow)
    if after.expires_at != before.expires_at:
        expires_at = _moment(after.expires_at)
    body = KeyBody(
        name=UNSET if after.name == before.name else after.name,
        labels={label: getattr(after, label) for label in LABELS if getattr(after, label) != getattr(before, label)},
        wanted=Wanted(scopes=scopes, models=models, ip_allow=networks, expires_at=expires_at),
    )
    return None if body == KeyBody() else body


def limit_changes(fields: Mapping[str, str], before: Mapping[str, str]) -> list[LimitChange]:
    """The limits that are different now; an empty field lifts one. Raises Problem(`invalid_request`) with `param`."""
    changes = []
    for name, span in SPANS.items():
        requests, usd = f"limits.{name}.requests", f"limits.{name}.usd"
        changed = [field for field in (requests, usd) if fields.get(field, "") != before.get(field, "")]
        if changed:
            changes.append(
                LimitChange(
                    span,
                    _requests(fields.get(requests, ""), requests) if requests in changed else UNSET,
                    _dollars(fields.get(usd, ""), usd) if usd in changed else UNSET,
                )
            )
    return changes


def policy_of(fields: PolicyFields, before: Rule | None) -> Rule:
    """The policy of a form; what the form does not have stays as it was. Raises Problem(`invalid_request`)."""
    document: dict[str, Any] = {} if before is None else msgspec.to_builtins(rule_view(before))
    document |= {
        "regions": fields.regions or None,
        "retention": fields.retention,
        "only": fields.only or None,
        "ignore": fields.ignore,
    }
    return read_policy(msgspec.json.encode(document), param="policy")


def _networks(text: str) -> tuple[Network, ...] | None:
    lines = text.replace(",", "\n").split()
    return read_networks(lines) if lines else None


def _moment(text: str) -> int | None:
    """A moment in UTC, as a browser writes it without an offset."""
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise _refuse("expires_at", "is a day and a time in UTC, like 2027-01-31T00:00") from None


def _requests(text: str, param: str) -> int | None:
    if not text:
        return None
    plain = text.replace(",", "")
    if not (plain.isascii() and plain.isdigit() and len(plain) <= _MAX_DIGITS) or int(plain) > MAX_REQUESTS:
        raise _refuse(param, f"is a whole number from 0 to {MAX_REQUESTS:,}, or empty for no limit")
    return int(plain)


def _dollars(text: str, param: str) -> int | None:
    if not text:
        return None
    return read_dollars(msgspec.json.encode(text.removeprefix("$").replace(",", "")), param=param)


def _refuse(param: str, message: str) -> Problem:
    return Problem("invalid_request", f"{param} {message}.", param=param)
