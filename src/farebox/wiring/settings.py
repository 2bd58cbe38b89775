"""Everything an operator can set, checked at once: `farebox.toml`, a few environment variables, and nothing else.

`docs/reference/settings.md` explains each; a test compares that page with this file.
"""

import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

import farebox
from farebox.base.addresses import Network, read_network
from farebox.base.brand import Brand
from farebox.base.errors import OperatorError
from farebox.base.limits import (
    Bounds,
    Chain,
    Mail,
    NewWorkspace,
    RateLimits,
    Recovery,
    RequestLimits,
    Routing,
    SignIn,
    Timeouts,
    Upstream,
    VideoJobs,
    Webhooks,
)
from farebox.base.money import MoneyError, parse_usd
from farebox.catalog.toml_place import Place, StructT, Table, check_keys, check_texts, table_at
from farebox.providers.secrets import safe_of
from farebox.storage.home import Home
from farebox.wiring.arguments import read_limits
from farebox.wiring.people import check_people, read_chains, rpc_urls_of

# A configuration is a page or two; anything larger is another file.
MAX_FILE_BYTES: Final = 1_000_000
MAX_PORT: Final = 65_535
MAX_WORKERS: Final = 256  # far above the cores of any machine this runs on; a typing error, then
MAX_READINESS_ITEMS: Final = 100
MAX_TRUSTED_PROXIES: Final = 100  # a request of a key with an address list looks through all of them
# Waits and sizes beyond these are typing errors, not wishes.
MAX_SECONDS: Final = 31 * 86_400
MAX_COUNT: Final = 1 << 40

ENVIRONMENT: Final[Mapping[str, str]] = {
    "DATABASE_URL": "address of your own PostgreSQL; without it Farebox runs one of its own",
    "FAREBOX_HOME": "folder for everything Farebox keeps; default `.farebox/` in the current folder",
    "FAREBOX_CONFIG": "path of farebox.toml, as --config",
    "FAREBOX_METRICS_TOKEN": "Bearer token that /metrics asks for when it is not read from this machine",
    "FAREBOX_WEBHOOK_SECRET": "at least 32 characters that workspaces' webhook secrets are derived from",
    "FAREBOX_OPERATOR_TOKEN": "Bearer token of /api/operator/*, which is off without it; at least 32 characters",
    "FAREBOX_SECRETS_KEY": "32 bytes in base64 that stored keys and secrets of authenticator apps are encrypted with",
    "FAREBOX_OLD_SECRETS_KEY": "the key before, while `farebox provider rotate-secrets` changes to a new one",
    "FAREBOX_SMTP_PASSWORD": "password of the mail server's account",
    "PORT": "port to listen on, as --port",
}
"""Every variable that Farebox reads, but for the providers' keys, whose names stand in the catalog."""

_SECRETS: Final = (
    *("DATABASE_URL", "FAREBOX_METRICS_TOKEN", "FAREBOX_WEBHOOK_SECRET", "FAREBOX_OPERATOR_TOKEN"),
    *("FAREBOX_SECRETS_KEY", "FAREBOX_OLD_SECRETS_KEY", "FAREBOX_SMTP_PASSWORD"),
)
# 32 characters of base64 are 192 bits.
MIN_WEBHOOK_SECRET_CHARS: Final = 32
MIN_OPERATOR_TOKEN_CHARS: Final = 32
_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")
_EXPECTED: Final = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_IN_WORDS: Final[Mapping[str, str]] = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_AT_END: Final = "(at end of document)"
_HEADER_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*")
_KEY_PREFIX: Final = re.compile(r"(?=.{2,16}$)[a-z][a-z0-9]*(-[a-z0-9]+)*[_-]")


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: where and how the gateway listens. `host`, `port` and `workers` have options of the same name."""

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    # After a stop signal running calls get this long to finish and settle.
    graceful_shutdown_seconds: float = 30.0
    # From the first byte of a request (or the connection) to the end of its headers: cuts clients that drip.
    header_timeout_seconds: float = 10.0
    # Of the request line and all headers together.
    max_header_bytes: int = 32_768
    # An idle connection stays open this long: longer than the minute that client pools keep one.
    idle_connection_seconds: float = 75.0
    # Connections of one worker; beyond it new ones get 503.
    max_connections: int = 10_000
    # Networks in CIDR notation whose X-Forwarded-For is believed: those of the proxies in front. Without any, the
    # other end of the connection is the client.
    trusted_proxies: tuple[str, ...] = ()
    # The address that people's browsers use, like "https://ai.example.com". Links in letters, what wallets sign and
    # whose passkeys work follow from it. "": http://localhost and the port, where Farebox listens on this machine only.
    public_url: str = ""


ReadinessState = Literal["live", "operator_action_needed", "third_party_blocked", "disabled_safely"]
READINESS_STATES: Final[tuple[str, ...]] = get_args(ReadinessState)


class ReadinessItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[readiness]]`: work that the operator tracks in the open, beside what Farebox computes itself."""

    capability: str
    title: str
    state: ReadinessState
    detail: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One checked configuration. Paths are absolute. Its text form shows no secret."""

    brand: Brand = Brand()
    limits: RequestLimits = RequestLimits()
    bounds: Bounds = Bounds()
    timeouts: Timeouts = Timeouts()
    recovery: Recovery = Recovery()
    videos: VideoJobs = VideoJobs()
    webhooks: Webhooks = Webhooks()
    upstream: Upstream = Upstream()
    routing: Routing = Routing()
    rate_limits: RateLimits = RateLimits()
    new_workspace: NewWorkspace = NewWorkspace()
    sign_in: SignIn = SignIn()
    mail: Mail = Mail()
    server: Server = Server()
    chains: tuple[Chain, ...] = ()
    readiness: tuple[ReadinessItem, ...] = ()
    config_path: str
    home_path: str
    database_url: str | None = None
    metrics_token: str | None = None
    webhook_secret: str | None = None
    operator_token: str | None = None
    secrets_key: str | None = None
    old_secrets_key: str | None = None
    smtp_password: str | None = None
    rpc_urls: Mapping[int, str] = {}

    @property
    def home(self) -> Home:
        """The folder that holds what this installation must remember."""
        return Home(Path(self.home_path))

    @property
    def catalog_path(self) -> Path:
        """The `catalog.toml` beside the configuration, which an empty catalog is filled from. It may be absent."""
        return Path(self.config_path).with_name("catalog.toml")

    def __repr__(self) -> str:
        return f"Settings({self.config_path!r})"


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """What a parent process tells one worker beyond the settings.

    `worker` is its place 0 … `workers` - 1, kept over restarts; `boot_id` is its own and new for each start.
    """

    worker: int
    workers: int
    boot_id: int
    sandbox_base_url: str | None = None
    sandbox_api_key: str | None = None


_SECTIONS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "brand": Brand,
    "limits": RequestLimits,
    "bounds": Bounds,
    "timeouts": Timeouts,
    "recovery": Recovery,
    "videos": VideoJobs,
    "webhooks": Webhooks,
    "upstream": Upstream,
    "routing": Routing,
    "rate_limits": RateLimits,
    "new_workspace": NewWorkspace,
    "sign_in": SignIn,
    "mail": Mail,
    "server": Server,
}


def default_config_path() -> Path:
    """The configuration that comes with Farebox: in the package when installed, beside `src/` in a checkout."""
    package = Path(farebox.__file__).parent
    inside = package / "deployments" / "default" / "farebox.toml"
    return inside if inside.exists() else package.parents[1] / "deployments" / "default" / "farebox.toml"


def load_settings(config: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check everything. `config` None: FAREBOX_CONFIG, or what comes with Farebox. Raises OperatorError."""
    refuse_empty(_SECRETS, environment)
    # A key that is none is found before anything is started; the parts that need it make it anew from the text.
    safe_of(environment.get("FAREBOX_SECRETS_KEY"), environment.get("FAREBOX_OLD_SECRETS_KEY"))
    path = (config or Path(environment.get("FAREBOX_CONFIG") or default_config_path())).expanduser().absolute()
    document, place = _read(path)
    chains = read_chains(document, place)
    return Settings(
        **_sections(document, place),  # type: ignore[arg-type]
        readiness=_readiness(document, place),
        config_path=str(path),
        home_path=str(Home.of(environment).path),
        database_url=environment.get("DATABASE_URL"),
        metrics_token=environment.get("FAREBOX_METRICS_TOKEN"),
        webhook_secret=environment.get("FAREBOX_WEBHOOK_SECRET"),
        operator_token=environment.get("FAREBOX_OPERATOR_TOKEN"),
        secrets_key=environment.get("FAREBOX_SECRETS_KEY"),
        old_secrets_key=environment.get("FAREBOX_OLD_SECRETS_KEY"),
        smtp_password=environment.get("FAREBOX_SMTP_PASSWORD"),
        chains=chains,
        rpc_urls=rpc_urls_of(chains, environment),
    )


def webhook_secret_of(settings: Settings) -> str | None:
    """What webhooks are signed from; None where they are off. Raises OperatorError where it is needed and no good."""
    if not settings.webhooks.enabled:
        return None
    secret = (settings.webhook_secret or "").strip()
    if len(secret) < MIN_WEBHOOK_SECRET_CHARS:
        what = f"is shorter than {MIN_WEBHOOK_SECRET_CHARS} characters" if secret else "is not set"
        raise OperatorError(
            f"webhooks are enabled, but FAREBOX_WEBHOOK_SECRET {what}",
            "set it to the output of `openssl rand -base64 32`, or set webhooks.enabled = false",
        )
    return secret


def operator_token_of(settings: Settings) -> str | None:
    """What opens /api/operator; None where that is off. Raises OperatorError for one that could be guessed."""
    token = None if settings.operator_token is None else settings.operator_token.strip()
    if token is not None and len(token) < MIN_OPERATOR_TOKEN_CHARS:
        raise OperatorError(
            f"FAREBOX_OPERATOR_TOKEN is shorter than {MIN_OPERATOR_TOKEN_CHARS} characters",
            "set it to the output of `openssl rand -base64 32`, or unset it",
        )
    return token


def trusted_proxies_of(settings: Settings) -> tuple[Network, ...]:
    """The proxies whose X-Forwarded-For is believed."""
    return tuple(read_network(text) for text in settings.server.trusted_proxies)


def refuse_weak_secrets(settings: Settings) -> None:
    """Raise OperatorError for a secret that is needed and missing, or could be guessed: before anything is started."""
    webhook_secret_of(settings)
    operator_token_of(settings)


def refuse_empty(names: Iterable[str], environment: Mapping[str, str] = os.environ) -> None:
    """Raise OperatorError for the first variable that is set to nothing: a secret that got lost on its way here."""
    for name in names:
        if not environment.get(name, "set").strip():
            raise OperatorError(f"{name} is set, but empty", f"give {name} its value, or unset it")


def _read(path: Path) -> tuple[Table, Place]:
    place = Place(path.name)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise OperatorError(f"{path} is larger than {MAX_FILE_BYTES} bytes", "give the path of a farebox.toml")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror}", "give the path of a farebox.toml") from error
    except UnicodeDecodeError as error:
        raise OperatorError(f"{path} is not UTF-8 text", "save the file as UTF-8") from error
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from error
    check_texts(document, place)
    check_keys(document, (*_SECTIONS, "chains", "readiness"), place)
    return document, place


def _syntax_error(path: Path, text: str, message: str) -> OperatorError:
    found = _LINE.search(message)
    line = int(found[1]) if found else len(text.splitlines())
    what = _LINE.sub("", message).replace(_AT_END, "at the end of the file").strip()
    return OperatorError(f"{path.name} line {line}: {what[:1].lower()}{what[1:]}", f"mend line {line} of {path}")


def _sections(document: Table, place: Place) -> dict[str, msgspec.Struct]:
    found = {}
    for name, struct in _SECTIONS.items():
        here = place.at(name)
        table = table_at(document, name, place)
        _check_section_keys(table, struct, here)
        found[name] = _convert(table, struct, here)
        _check_numbers(found[name], here)
    _check_proxies(found["server"], place.at("server"))
    check_people(found, place)
    _check_brand(table_at(document, "brand", place), found["brand"], place.at("brand"))
    _check_new_workspace(found["new_workspace"], place.at("new_workspace"))
    return found


def _check_proxies(server: msgspec.Struct, place: Place) -> None:
    assert isinstance(server, Server)
    here = place.at("trusted_proxies")
    if len(server.trusted_proxies) > MAX_TRUSTED_PROXIES:
        raise here.error(f"has more than {MAX_TRUSTED_PROXIES} networks", "Name the networks that they are in.")
    for text in server.trusted_proxies:
        try:
            network = read_network(text)
        except ValueError as error:
            raise here.error(str(error), 'Write networks like ["10.0.0.0/8"].') from error
        if network.prefixlen == 0:
            raise here.error(f"{text!r} is everybody", "Name the proxies; whoever is believed can be anybody.")


def _check_section_keys(table: Table, struct: type[msgspec.Struct], place: Place) -> None:
    for key in table:
        home = next((name for name, other in _SECTIONS.items() if key in other.__struct_fields__), None)
        if home is not None and key not in struct.__struct_fields__:
            raise place.at(key).error("unknown key", f"Did you mean {home}.{key}? Move it to [{home}].")
    check_keys(table, struct.__struct_fields__, place)


def _convert(table: Table, struct: type[StructT], place: Place) -> StructT:
    plain = {key: float(value) if isinstance(value, Decimal) else value for key, value in table.items()}
    try:
        return msgspec.convert(plain, struct)
    except msgspec.ValidationError as error:
        raise _explain(str(error), place) from error


def _explain(message: str, place: Place) -> OperatorError:
    """msgspec's `Expected `int | null`, got `str` - at `$.max_output_tokens`` in the words of this file."""
    what, _, path = message.partition(" - at `$.")
    expected = _EXPECTED.match(what)
    if expected is None:
        choices = ", ".join(READINESS_STATES)
        wanted, problem = f"one of {choices}", what.replace("`", "").replace("enum value", "value").lower()
        if what.startswith("Object missing"):
            wanted, problem = "the missing key as well", what.removeprefix("Object ").replace("`", "")
    else:
        wanted = _IN_WORDS.get(expected[1].split(" | ")[0], expected[1])
        problem = f"expected {wanted}, got {_IN_WORDS.get(expected[2], expected[2])}"
    here = Place(place.file, f"{place.path}.{path.rstrip('`')}") if path else place
    return here.error(problem, f"Write {wanted}.")


def _check_numbers(section: msgspec.Struct, place: Place) -> None:
    for name, value in msgspec.structs.asdict(section).items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not (math.isfinite(value) and 0 < value <= _most(name)):
            raise place.at(name).error(
                f"is {value}, which is not a number from above 0 to {_most(name):,}", "Change it, or leave it out."
            )


def _most(name: str) -> int:
    limits = {"port": MAX_PORT, "workers": MAX_WORKERS}
    return limits.get(name, MAX_SECONDS if name.endswith("_seconds") else MAX_COUNT)


def _check_brand(table: Table, brand: msgspec.Struct, place: Place) -> None:
    assert isinstance(brand, Brand)
    if not _HEADER_PREFIX.fullmatch(brand.header_prefix) or len(brand.header_prefix) > 40:
        raise place.at("header_prefix").error(
            f"{brand.header_prefix!r} cannot be a part of a header's name", 'Use letters, digits and -: "Tokeo".'
        )
    if not _KEY_PREFIX.fullmatch(brand.key_prefix):
        raise place.at("key_prefix").error(
            f"{brand.key_prefix!r} cannot start a key",
            'Use 1 to 15 small letters, digits and single -, and _ or - at its end: "tokeo_", "sk-acme-".',
        )
    if not brand.name.strip():
        raise place.at("name").error("is empty", "Give the service a name, or leave the line out.")
    try:
        if parse_usd(brand.low_balance_usd) < 0:
            raise MoneyError("is below zero")
    except MoneyError as error:
        raise place.at("low_balance_usd").error(str(error), 'Write it like "1.00".') from error
    if brand.top_up_url and not brand.top_up_url.startswith(("https://", "http://")):
        raise place.at("top_up_url").error("is not a web address", "Start it with https://.")


def _check_new_workspace(section: msgspec.Struct, place: Place) -> None:
    assert isinstance(section, NewWorkspace)
    for index, text in enumerate(section.limits):
        try:
            read_limits([text])
        except OperatorError as error:
            raise (
                place.at("limits").at(index).error(error.message, f"{error.fix[:1].upper()}{error.fix[1:]}.")
            ) from error


def _readiness(document: Table, place: Place) -> tuple[ReadinessItem, ...]:
    tables = document.get("readiness", [])
    here = place.at("readiness")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise here.error("is not a list of tables", "Write each item as its own [[readiness]] table.")
    if len(tables) > MAX_READINESS_ITEMS:
        raise here.error(f"has more than {MAX_READINESS_ITEMS} items", "Keep what customers should know.")
    items = [_readiness_item(table, here.at(index)) for index, table in enumerate(tables)]
    names = [item.capability for item in items]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise here.at(index).error(f"{name} appears twice", "Give each capability one item.")
    return tuple(items)


def _readiness_item(table: Table, place: Place) -> ReadinessItem:
    check_keys(table, ReadinessItem.__struct_fields__, place)
    return _convert(table, ReadinessItem, place)
