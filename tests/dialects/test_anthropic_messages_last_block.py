"""What a message may end in: Claude Code takes the last block of an answer for all of it."""

from farebox.dialects.anthropic_messages import SURFACE
from farebox.dialects.canonical.parts import Reasoning, Text
from farebox.dialects.canonical.reply import Finish, Finished, Reply
from tests.dialects.messages_sdk import accumulated, parsed_message
from tests.dialects.test_anthropic_messages_translate import TOLD, blocks_of, part, streamed


def test_no_answer_ends_in_a_seal_that_nobody_can_read() -> None:
    mark, text = Reasoning(seal="s", redacted=True, origin="gemini"), Text("hello")
    ends = [*part(text), *part(mark), *part(mark), Finished(Finish.END)]
    stream, dropped = streamed(*ends)
    assert [each.to_dict()["type"] for each in accumulated(stream).content] == [
        "text"
    ] and "foreign_reasoning" in dropped
    whole = SURFACE.encode_reply(Reply(parts=(text, mark, mark)), TOLD)
    assert (len(parsed_message(whole.body).content), whole.dropped) == (1, ("foreign_reasoning",))
    kept = blocks_of(*part(text), *part(mark), *part(mark), *part(text), Finished(Finish.END))
    assert [each["type"] for each in kept] == ["text", "redacted_thinking", "redacted_thinking", "text"]
    assert [each["type"] for each in blocks_of(*part(mark), Finished(Finish.END))] == ["redacted_thinking"]
