"""Letters by SMTP."""

from farebox.base.limits import Mail
from farebox.mail.nobody import NoMailing


class SmtpMailing(NoMailing):
    """Sends by the server of the settings."""

    def __init__(self, mail: Mail, password: str | None) -> None:
        self._mail = mail
        self._password = password
