"""Named bounds. Each says what it bounds and why it has its size; operators change them in `farebox.toml`."""

from typing import Literal

import msgspec


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[limits]`: what one request may ask for. None: the model's own maximum is the limit."""

    max_output_tokens: int | None = None
    max_prompt_chars: int | None = None
    # Images, audio and files inside a request, before base64 is undone: what vision models accept in one call.
    max_media_bytes: int = 20_000_000
    # Choices of one call; each is held and paid for in full.
    max_choices: int = 8


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[bounds]`: what one worker process takes on at once."""

    # A request body: room for the media above in base64, and for a long conversation.
    max_body_bytes: int = 32_000_000
    # From the first byte of a request to the end of its body: slower clients hold a place without paying for it.
    body_timeout_seconds: float = 30.0
    # Calls in progress: beyond it the process answers 503 rather than slow everybody down.
    max_concurrent_calls: int = 2_000
    # Streams whose client left and that are read to their usage event: each holds an upstream connection.
    max_concurrent_drains: int = 200
    # How long such a stream may go on before it is cut and settled by what is known.
    drain_timeout_seconds: float = 120.0
    # API keys remembered per process, and unknown keys remembered as unknown.
    max_cached_keys: int = 20_000
    max_cached_unknown_keys: int = 20_000
    # A form with files, which streams through: what the largest providers take, and an hour of compressed speech.
    max_upload_bytes: int = 100_000_000
    # The part of a form that is kept: a whole one where an `Idempotency-Key` is sent or a file comes before the fields
    # that the hold needs. The providers' own limit for sound.
    max_buffered_upload_bytes: int = 25_000_000
    # Of a whole form; between two of its pieces `body_timeout_seconds` may pass.
    upload_timeout_seconds: float = 600.0
    # A JSON answer, which is parsed whole.
    max_response_bytes: int = 32_000_000
    # An answer with pictures, or one event with a picture: ten of the largest that there are.
    max_image_answer_bytes: int = 128_000_000
    # One event of a stream, which is parsed whole: what a stream buffers at most.
    max_event_bytes: int = 4_000_000
    # Silence to the client after which a comment is sent, below the 30 s after which proxies give up.
    keep_alive_seconds: float = 10.0


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[timeouts]` towards providers; a provider of the catalog may override each."""

    connect_timeout_seconds: float = 5.0
    # To the first byte of the answer: long thinking before a JSON answer is normal.
    first_byte_timeout_seconds: float = 300.0
    # Between two chunks of a stream.
    idle_timeout_seconds: float = 120.0
    # Of a whole attempt.
    total_timeout_seconds: float = 900.0


class Recovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[recovery]`: what happens to calls whose worker died."""

    # Orphans are looked for this often.
    sweep_seconds: float = 2.0
    # An UNKNOWN call without a delivered-output watermark waits this long for late evidence, then is written off.
    write_off_after_seconds: float = 86_400.0


class VideoJobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[videos]`: how jobs that make films are looked after."""

    # Between two looks at a job's provider: short at first, longer by half each time up to the longest.
    poll_seconds: float = 2.0
    max_poll_seconds: float = 30.0
    # Jobs that one process asks after at once.
    max_concurrent_polls: int = 16
    # Films take minutes; a job of this age is given up, whatever its provider's state, so that no hold lives for ever.
    max_age_seconds: float = 86_400.0


class Webhooks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[webhooks]`: telling customers' own servers that a video job is over."""

    enabled: bool = False
    # For one delivery, from the look-up of the name to the status: receivers answer first and work later.
    timeout_seconds: float = 10.0
    # With the waits between them, eight take about ten hours.
    max_attempts: int = 8
    # Also private addresses, and http:// on this machine: where customers are the operator, and in tests.
    allow_private_networks: bool = False


class Upstream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[upstream]`: where calls to providers may go."""

    # Hosts of the catalog's base URLs that may stand for private addresses. By default model servers on this machine.
    private_hosts: tuple[str, ...] = ("127.0.0.1", "::1", "localhost")


class Routing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[routing]`: how long a call waits for capacity."""

    # For a slot where all are taken; then 503. Below the patience of clients, who send again.
    queue_seconds: float = 5.0
    # Calls of one process that wait at once: beyond it 503 at once.
    max_waiting_calls: int = 1_000
    # A conversation stays with the route that knows it for so long after its last call.
    sticky_seconds: float = 600.0


class RateLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rate_limits]` of every key for which none of its own are stored. None: no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_calls: int | None = None


class NewWorkspace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[new_workspace]`: what a workspace has from its first moment. It can be changed for each afterwards."""

    # Like "requests:100/day" and "usd:5/month".
    limits: tuple[str, ...] = ()
    # Promotional credit of a workspace that somebody makes after signing up; in a sandbox it is $10. Whoever has many
    # addresses gets it many times.
    welcome_credit_usd: str = "0"
    # Workspaces that one person may own.
    max_owned: int = 10


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sign_in]`: how people prove who they are, and for how long that is believed."""

    # Whether somebody unknown gets an account by signing in; else only who was invited, or `farebox admin create`d.
    open: bool = True
    # A code by e-mail; the link in the same letter.
    code_seconds: float = 600.0
    # The text that a wallet signs, and the challenge of a passkey.
    challenge_seconds: float = 300.0
    # A session ends when nobody used it for so long, and at the latest after the second.
    idle_seconds: float = 604_800.0
    session_seconds: float = 2_592_000.0
    # Money, keys and members want a proof that is not older than this.
    step_up_seconds: float = 900.0
    # An invitation that nobody accepted is void after a week.
    invitation_seconds: float = 604_800.0


MailSecurity = Literal["starttls", "tls", "none"]


class Mail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[mail]`: the server that takes letters. Without a host none are sent, and nobody signs in by e-mail."""

    host: str = ""
    port: int = 587
    # none only for a server on this machine.
    security: MailSecurity = "starttls"
    # The password is in FAREBOX_SMTP_PASSWORD.
    username: str = ""
    # The sender, like "Farebox <no-reply@example.com>".
    sender: str = ""
    timeout_seconds: float = 20.0


class Chain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[chains.<name>]`: a blockchain on which wallets that are contracts can be asked."""

    chain_id: int
    # The variable of the environment with the address of a JSON-RPC server: such addresses often have a key in them.
    rpc_url_env: str
    timeout_seconds: float = 5.0
