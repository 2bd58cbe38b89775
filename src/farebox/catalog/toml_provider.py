"""A provider's table in catalog.toml, over the profile that it names."""

import difflib
import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from farebox.catalog.model import Provider
from farebox.catalog.profiles import FEATURE_PREFIXES, FEATURES, PROFILES, Row
from farebox.catalog.toml_place import Place, Table, check_keys, convert_table

PROVIDER_KEYS: Final = ("profile", "terms", *(name for name in Provider.__struct_fields__ if name != "provider_id"))
_ENV_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")


def read_provider(provider_id: str, table: Table, place: Place) -> Provider:
    """The checked provider. Raises OperatorError."""
    check_keys(table, PROVIDER_KEYS, place)
    own = {key: value for key, value in table.items() if key not in ("profile", "terms")}
    row = _profile(table, place)
    provider = convert_table({**row, **own, "provider_id": provider_id}, Provider, place)
    name = provider.api_key_env
    if name is not None and not _ENV_NAME.fullmatch(name):
        # Not repeated in the message: it might be the key itself.
        raise place.at("api_key_env").error(
            "is not the name of an environment variable", 'Write the name in capitals, like "OPENAI_API_KEY".'
        )
    _check_dialects(provider, place.at("dialects"))
    check_features(provider.unsupported, place.at("unsupported"))
    base_url = _base_url(provider.base_url, place.at("base_url"))
    # A vendor's variable must not lend its key to another address.
    if "base_url" in own and "api_key_env" not in own and row.get("api_key_env") and base_url != row["base_url"]:
        raise place.error(
            "has a base_url of its own, but the key of its profile",
            "Add api_key_env: the variable whose key may be sent to that address.",
        )
    return msgspec.structs.replace(provider, base_url=base_url)


def _profile(table: Table, place: Place) -> Row:
    name = table.get("profile")
    if name is None:
        return {}
    if not isinstance(name, str) or name not in PROFILES:
        raise place.at("profile").error("there is no such profile", f"Write one of: {', '.join(PROFILES)}.")
    return PROFILES[name]


def _check_dialects(provider: Provider, place: Place) -> None:
    if not provider.dialects:
        raise place.error("is empty", 'Name at least one, like ["openai_chat"].')
    if len(set(provider.dialects)) < len(provider.dialects):
        raise place.error("names a dialect twice", "Name each once; the first is the one that others are put into.")


def check_features(names: tuple[str, ...], place: Place) -> None:
    """Names of features that a provider or a model does not take. Raises OperatorError for one that there is not."""
    for index, name in enumerate(names):
        if name not in FEATURES and not name.startswith(FEATURE_PREFIXES):
            near = difflib.get_close_matches(name, FEATURES, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"Write any of: {', '.join(FEATURES)}."
            raise place.at(index).error("is not the name of a feature", fix)


def _base_url(text: str, place: Place) -> str:
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError as error:
        raise place.error("is not an address", 'Write it like "https://api.example.com/v1".') from error
    if not host or url.username is not None or url.query or url.fragment:
        raise place.error("is not a plain address", 'Write it like "https://api.example.com/v1", without user, ? or #.')
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(host)):
        raise place.error("is not https", "Use https; plain http is for 127.0.0.1, ::1 and localhost only.")
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
