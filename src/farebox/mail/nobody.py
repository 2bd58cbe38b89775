"""Where no mail server is set."""

from farebox.base.errors import Problem
from farebox.mail.letter import Letter, MailState, Postman


class NoMailing:
    """Takes no letter."""

    works = False

    @property
    def postman(self) -> Postman:
        """Itself."""
        return self

    def start(self) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        """There is nothing to stop."""

    @property
    def state(self) -> MailState:
        """There is no mail."""
        return MailState("none")

    def take(self, letter: Letter) -> None:
        """Raises Problem(`sign_in_unavailable`)."""
        self._refuse()

    def feign(self, letter: Letter) -> None:
        """Raises Problem(`sign_in_unavailable`)."""
        self._refuse()

    @staticmethod
    def _refuse() -> None:
        raise Problem("sign_in_unavailable", "This gateway sends no e-mail: the operator has not set a mail server.")
