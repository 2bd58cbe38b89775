"""Letters of a demo lie in a mailbox and stand in the terminal."""

import contextlib
import io

from farebox.base.clock import monotone_clock
from farebox.mail.demo import MAX_KEPT, DemoMailing, list_letters
from farebox.mail.letter import Letter
from farebox.storage.pool import Pool, connected

LETTER = Letter(
    "anna@example.com", "Your code for Farebox", "Your code:\n\n    123456\n\nOr:\n\n    http://localhost:1/x?token=y\n"
)


async def test_a_letter_lies_in_the_mailbox_and_stands_in_the_terminal(pool: Pool) -> None:
    told: list[str] = []
    mailing = DemoMailing(lambda: connected(pool), monotone_clock(), report=told.append)
    mailing.start()
    mailing.take(LETTER)
    await mailing.stop()
    async with connected(pool) as connection:
        found = await list_letters(connection)
    assert [(letter.recipient, letter.subject, letter.body) for letter in found] == [
        (LETTER.to, LETTER.subject, LETTER.body)
    ]
    assert told == ["letter to anna@example.com: Your code for Farebox\n    123456\n    http://localhost:1/x?token=y"]
    assert "123456" not in repr(found)


async def test_the_newest_hundred_are_kept(pool: Pool) -> None:
    mailing = DemoMailing(lambda: connected(pool), monotone_clock(), report=lambda text: None)
    mailing.start()
    for number in range(MAX_KEPT + 3):
        mailing.take(Letter(f"person{number}@example.com", "Hello", "Hello\n"))
    await mailing.stop()
    async with connected(pool) as connection:
        found = await list_letters(connection)
        stored = await (await connection.execute("SELECT count(*) FROM demo_letter")).fetchone()
    assert [letter.recipient for letter in found] == [
        f"person{number}@example.com" for number in reversed(range(3, MAX_KEPT + 3))
    ]
    assert stored == (MAX_KEPT,)


async def test_a_demo_prints_letters_where_its_other_lines_stand(pool: Pool) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        mailing = DemoMailing(lambda: connected(pool), monotone_clock())
        mailing.start()
        mailing.take(LETTER)
        await mailing.stop()
    assert "farebox: letter to anna@example.com" in said.getvalue() and "123456" in said.getvalue()


async def test_a_letter_that_cannot_be_kept_is_told_of(pool: Pool) -> None:
    mailing = DemoMailing(lambda: connected(pool), monotone_clock(), report=lambda text: None)
    mailing.start()
    await pool.close()
    mailing.take(LETTER)
    await mailing.stop()
    assert mailing.state.kind == "demo" and mailing.state.failure
