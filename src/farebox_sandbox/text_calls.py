"""The order of one text call, the same in every dialect."""

import functools
import time

from farebox_sandbox.ask import Ask
from farebox_sandbox.compose import compose_answer
from farebox_sandbox.core import GARBAGE_BODY, Core
from farebox_sandbox.dialects.base import Dialect
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.inline import take_directives
from farebox_sandbox.prompt_cache import PromptCache
from farebox_sandbox.reply import Reply
from farebox_sandbox.routing import Handler
from farebox_sandbox.usage import count_prompt_tokens


class TextCalls:
    """Answers text calls. The prompt cache lives as long as the sandbox."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._prompt_cache = PromptCache()

    def handler(self, dialect: Dialect) -> Handler:
        """The handler of a route that answers with a model's text."""
        return functools.partial(self._answer, dialect)

    async def read(self, dialect: Dialect, exchange: Exchange) -> Ask | None:
        """The request, checked; None when directives have answered already. Raises what makes an error answer."""
        exchange.call.id = dialect.id_prefix + exchange.stem
        exchange.call.dialect = dialect.name
        exchange.error_body = dialect.error_body
        exchange.error_event = dialect.error_event
        exchange.request_id_header = dialect.request_id_header
        if not self._core.knows_key(exchange, *dialect.key_headers):
            raise UpstreamError(*dialect.wrong_key)
        ask, own = take_directives(_read(dialect, await self._core.read_body(exchange), exchange))
        if await self._core.begin(exchange, ask.model, own, stream=ask.stream):
            return None
        dialect.check(ask)
        return ask

    def counter(self, dialect: Dialect) -> Handler:
        """The handler of a route that only counts a prompt's tokens."""
        return functools.partial(self._count, dialect)

    async def _count(self, dialect: Dialect, exchange: Exchange) -> None:
        ask = await self.read(dialect, exchange)
        if ask is not None:
            exchange.call.prompt_tokens = count_prompt_tokens(ask)
            await exchange.answer_json({"input_tokens": exchange.call.prompt_tokens})

    async def _answer(self, dialect: Dialect, exchange: Exchange) -> None:
        ask = await self.read(dialect, exchange)
        if ask is None:
            return None
        reply = self._reply(exchange, ask)
        exchange.call.prompt_tokens = reply.prompt_tokens
        exchange.call.completion_tokens = reply.completion_tokens
        if ask.stream:
            return await exchange.stream(dialect.stream(reply))
        return await exchange.answer(200, GARBAGE_BODY if exchange.directives.garbage else dialect.json_body(reply))

    def _reply(self, exchange: Exchange, ask: Ask) -> Reply:
        return Reply(
            stem=exchange.stem,
            created=int(time.time()),
            ask=ask,
            answer=compose_answer(ask, exchange.directives),
            prompt_tokens=count_prompt_tokens(ask),
            directives=exchange.directives,
            cache=self._prompt_cache.use(ask),
        )


def _read(dialect: Dialect, body: bytes, exchange: Exchange) -> Ask:
    try:
        return dialect.read(body, exchange)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        # A reader walks through JSON that can have any shape; where it stumbles, the shape is wrong.
        raise UpstreamError(400, "The request has a value of a wrong type, or is nested too deeply.") from error
