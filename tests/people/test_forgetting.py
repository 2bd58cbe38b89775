"""What was asked and counted about signing in does not stay."""

import asyncio

from farebox.base.clock import MICROS_PER_SECOND, monotone_clock
from farebox.identity.people import email_codes
from farebox.identity.people.attempts import Attempt, count_attempts
from farebox.identity.people.forgetting import forget_sign_ins
from farebox.identity.people.model import Purpose
from farebox.storage.pool import Pool, connected
from tests.database import TestCluster
from tests.gateway import PATIENCE_SECONDS, serve_gateway

_SECOND = MICROS_PER_SECOND
_HOUR, _TWO_DAYS = 3_600 * _SECOND, 2 * 86_400 * _SECOND


async def test_challenges_stay_an_hour_and_tries_two_days(pool: Pool) -> None:
    now_micros = monotone_clock()()
    async with connected(pool) as connection:
        for age_micros in (0, _HOUR - _SECOND, _HOUR + _SECOND):
            lives = (now_micros - age_micros - 600 * _SECOND, now_micros - age_micros)
            await email_codes.make_challenge(
                connection, "a@b.example", Purpose.SIGN_IN, bound_to=None, lives_micros=lives
            )
        for age_micros in (0, _TWO_DAYS - 120 * _SECOND, _TWO_DAYS + 120 * _SECOND):
            attempt = Attempt(f"of {age_micros}", 5, 60)
            await count_attempts(connection, [attempt], now_micros=now_micros - age_micros)
        assert await forget_sign_ins(connection, now_micros=now_micros) == 2
        assert await forget_sign_ins(connection, now_micros=now_micros) == 0


async def test_a_running_gateway_forgets(cluster: TestCluster) -> None:
    """Whoever leads looks at once, and every ten minutes; here the gateway is started anew."""
    async with serve_gateway(cluster) as gateway:
        async with gateway.connect() as connection:
            await connection.execute(
                "INSERT INTO wallet_challenge (challenge_id, nonce, message, address, chain_id, purpose, created_at, "
                "expires_at) VALUES (gen_random_uuid(), 'old', 'old', '0x', 1, 'sign_in', 1, 2)"
            )
        await gateway.restart()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await gateway.rows("SELECT 1 FROM wallet_challenge WHERE nonce = 'old'"):
                await asyncio.sleep(0.02)
