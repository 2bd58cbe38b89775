"""Checks the operator's own PostgreSQL before anything relies on it, and says in one line what is wrong with it.

libpq's messages repeat parts of a malformed address, password included, so nothing of them is ever shown.
"""

import psycopg
from psycopg.conninfo import conninfo_to_dict

from farebox.base.errors import OperatorError

OLDEST_MAJOR_VERSION = 15
CONNECT_TIMEOUT_SECONDS = 5

# What the server or libpq says, what that means, and what to do; the first that matches is told.
_REASONS = (
    ("password authentication failed", "refuses the user or the password", "correct the user and the password in it"),
    ("no password supplied", "wants a password", "add the password to it"),
    ("no pg_hba.conf entry", "does not admit this user from here", "allow it in the server's pg_hba.conf"),
    ("too many clients", "has no connection left", "raise max_connections there, or close other clients"),
    ("remaining connection slots", "has no connection left", "raise max_connections there, or close other clients"),
    ("starting up", "is still starting", "try again in a moment"),
    ("ssl", "and Farebox do not agree on TLS", "set sslmode in it as the server demands"),
    ("refused", "is not answering: connection refused", "start PostgreSQL there, or correct host and port in it"),
    ("no such file or directory", "is not answering: there is no such socket", "correct the socket's folder in it"),
    ("translate host name", "has a host name that does not resolve", "correct the host in it"),
    ("resolve host", "has a host name that does not resolve", "correct the host in it"),
    ("name or service not known", "has a host name that does not resolve", "correct the host in it"),
    ("timeout", f"did not answer within {CONNECT_TIMEOUT_SECONDS} s", "check host, port and firewall"),
)


def check_external(database_url: str) -> None:
    """Connect once. Raises OperatorError if the address is malformed, nobody answers, or the server is too old."""
    where = _describe(database_url)
    try:
        with psycopg.connect(database_url, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            version = connection.info.server_version
    except (psycopg.Error, UnicodeError) as error:
        raise _explain(where, str(error).lower()) from None
    if version < OLDEST_MAJOR_VERSION * 10_000:
        raise OperatorError(
            f"the database at {where} is PostgreSQL {version // 10_000}; Farebox needs {OLDEST_MAJOR_VERSION} or newer",
            "upgrade it, or unset DATABASE_URL to use the embedded PostgreSQL",
        )


def _describe(database_url: str) -> str:
    """`user@host:port/name`, never the password."""
    malformed = OperatorError(
        "DATABASE_URL is not an address of a PostgreSQL database",
        "write it like postgresql://user:password@host:5432/name, with special characters percent-encoded",
    )
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(database_url).items()}
    except psycopg.ProgrammingError:
        raise malformed from None
    host, port, name = parts.get("host", ""), parts.get("port", "5432"), parts.get("dbname", "")
    # A password with an unencoded @, : or / ends up split over these parts; showing them would show it.
    if "@" in host + name or not port.replace(",", "").isdigit():
        raise malformed from None
    return f"{parts.get('user', '')}@{host or 'the local socket'}:{port}/{name}"


def _explain(where: str, message: str) -> OperatorError:
    # The names are quoted in the server's message; these two are told apart by what follows them.
    if 'database "' in message and "does not exist" in message:
        return OperatorError(f"the database named in DATABASE_URL does not exist: {where}", "create it with createdb")
    if 'role "' in message and "does not exist" in message:
        return OperatorError(f"the user named in DATABASE_URL does not exist: {where}", "create it with createuser")
    for sign, what, fix in _REASONS:
        if sign in message:
            return OperatorError(f"the database at {where} {what}", f"{fix} (DATABASE_URL)")
    return OperatorError(f"the database at {where} cannot be used", "try the same DATABASE_URL with psql")
