"""Settings about people, checked: the public address, the mail server, blockchains."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from farebox.base.errors import OperatorError
from farebox.base.limits import Chain, Mail, NewWorkspace
from farebox.base.money import MoneyError, parse_usd
from farebox.base.site import Site, read_site
from farebox.catalog.toml_place import Place, Table, check_keys

MAX_CHAINS: Final = 50
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def site_of(public_url: str, *, host: str, port: int) -> Site | None:
    """The address under which people come; None where nobody said so and it cannot be this machine's own name."""
    if public_url:
        return read_site(public_url)
    # Port 0 is any that is free: nobody knows the address before the gateway listens.
    return read_site(f"http://localhost:{port}") if host in _LOOPBACK and port else None


def check_people(found: Mapping[str, Any], place: Place) -> None:
    """Raises OperatorError for an address, a mail server or a welcome that cannot be."""
    _check_public_url(str(found["server"].public_url), place.at("server").at("public_url"))
    _check_mail(found["mail"], place.at("mail"))
    _check_welcome(found["new_workspace"], place.at("new_workspace").at("welcome_credit_usd"))


def _check_public_url(text: str, here: Place) -> None:
    try:
        read_site(text or "http://localhost")
    except ValueError as error:
        raise here.error(str(error), 'Write it like "https://ai.example.com".') from error


def _check_mail(mail: Mail, here: Place) -> None:
    if not mail.host:
        if mail.sender or mail.username:
            raise here.at("host").error("is missing", "Name the mail server, or leave out the whole section.")
        return
    if "@" not in mail.sender:
        raise here.at("sender").error("is no sender", 'Write it like "Farebox <no-reply@example.com>".')
    if mail.security == "none" and mail.host not in _LOOPBACK:
        raise here.at("security").error(
            "none would send codes that let people in, and the password, in the open", 'Write "starttls" or "tls".'
        )


def _check_welcome(section: NewWorkspace, here: Place) -> None:
    try:
        if parse_usd(section.welcome_credit_usd) < 0:
            raise MoneyError("is below zero")
    except MoneyError as error:
        raise here.error(str(error), 'Write it like "1.00", or "0".') from error


def read_chains(document: Table, place: Place) -> tuple[Chain, ...]:
    """The `[chains.<name>]` tables. Raises OperatorError."""
    tables, here = document.get("chains", {}), place.at("chains")
    if not isinstance(tables, dict) or len(tables) > MAX_CHAINS:
        raise here.error(f"is not a table of at most {MAX_CHAINS} tables", "Write each chain as [chains.base].")
    found = tuple(_chain(table, here.at(name)) for name, table in tables.items())
    ids = [chain.chain_id for chain in found]
    if len(set(ids)) < len(ids):
        raise here.error("has one chain_id twice", "Give each chain one table.")
    return found


def _chain(table: Any, here: Place) -> Chain:
    if not isinstance(table, dict):
        raise here.error("is not a table", "Write it as [chains.base].")
    check_keys(table, Chain.__struct_fields__, here)
    try:
        chain = msgspec.convert({k: v if isinstance(v, int | str) else float(v) for k, v in table.items()}, Chain)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise here.error(str(error), 'Write chain_id = 8453 and rpc_url_env = "FAREBOX_RPC_BASE".') from error
    if chain.chain_id < 1 or not chain.rpc_url_env or not chain.timeout_seconds > 0:
        raise here.error("has a number or a name that cannot be", 'Write chain_id = 8453, rpc_url_env = "…".')
    return chain


def rpc_urls_of(chains: Sequence[Chain], environment: Mapping[str, str]) -> dict[int, str]:
    """The JSON-RPC servers whose addresses are in the environment, by chain id. Raises OperatorError, which does not
    repeat an address: it may have a key in it."""
    found: dict[int, str] = {}
    for chain in chains:
        url = environment.get(chain.rpc_url_env, "").strip()
        if url and not url.startswith(("https://", "http://")):
            raise OperatorError(f"{chain.rpc_url_env} is not a web address", "set it to an address with https://")
        if url:
            found[chain.chain_id] = url
    return found
