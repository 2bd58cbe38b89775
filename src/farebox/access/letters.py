"""What letters say. Plain text, short, in the name of the brand; a code or a link stands in no log."""

import structlog

from farebox.access.parts import Access
from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.identity.people.model import Purpose
from farebox.mail.letter import Letter

_log = structlog.get_logger(__name__)
_MINUTE = 60

_WHAT_FOR = {
    Purpose.SIGN_IN: "to sign in",
    Purpose.LINK: "to sign in with this address from now on",
    Purpose.STEP_UP: "to confirm that it is you",
}


def sign_in_letter(access: Access, to: str, *, code: str, url: str, purpose: Purpose) -> Letter:
    """Code and link in one letter: the code for the browser that asked, the link for the one that reads the mail."""
    name = access.brand.name
    minutes = int(access.sign_in.code_seconds) // _MINUTE
    body = (
        f"Your code for {name}, {_WHAT_FOR[purpose]}:\n\n"
        f"    {code}\n\n"
        f"Or open this link and press the button there:\n\n"
        f"    {url}\n\n"
        f"Either is good once, for {minutes} minutes.\n\n"
        "Give the code to nobody: whoever asks you for it wants to sign in as you.\n"
        "If you did not ask for this letter, ignore it; without it nobody gets in.\n"
    )
    return Letter(to, f"Your code for {name}", body)


def invitation_letter(access: Access, workspace_name: str, role: str, *, inviter: str, url: str) -> str:
    """The body of an invitation. `url` lets the reader accept it after signing in with the invited address."""
    name = access.brand.name
    days = max(1, int(access.sign_in.invitation_seconds) // 86_400)
    return (
        f"{inviter} invites you to the workspace {workspace_name} on {name}, with the role {role}.\n\n"
        f"To look at the invitation and accept it, open this link and sign in with this e-mail address:\n\n"
        f"    {url}\n\n"
        f"It is good for {days} day{'s' if days > 1 else ''}. If you do not know who this is, ignore this letter.\n"
    )


def invitation_subject(access: Access, workspace_name: str) -> str:
    """The subject of an invitation."""
    return f"Invitation to {workspace_name} on {access.brand.name}"


def security_notice(access: Access, to: str, *, what: str) -> Letter:
    """That a way to sign in came or went. `what`: a sentence without its full stop, with no secret."""
    name = access.brand.name
    url = "" if access.site is None else f"\n    {access.site.url('/account')}\n"
    body = (
        f"{what}.\n\nWhen: {rfc3339(access.clock())[:19]}Z\n\n"
        "If this was you, there is nothing to do. If it was not, look at your ways to\n"
        f"sign in and your devices at once, and end those that you do not know:\n{url}"
    )
    return Letter(to, f"Your account on {name}: {what[:1].lower()}{what[1:]}", body)


def tell(access: Access, recipients: list[str], *, what: str) -> None:
    """Send a notice to each address. What was done stays done where no letter can be sent."""
    for to in recipients:
        try:
            access.postman.take(security_notice(access, to, what=what))
        except Problem:
            _log.warning("a security notice was not sent")
            return
