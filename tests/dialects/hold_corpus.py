"""Texts to count tokens of: written for this purpose, in the scripts and forms that customers send. Each entry is one
kind, as a list of passages."""

import base64
import json
import random
from typing import Final

_EMOJI: Final = [
    "👍👍🏽🎉🥳✨ 🚀🚀🚀 ❤️‍🔥 😂🤣😭 🙏🏿💯",
    "👨‍👩‍👧‍👦 👩🏽‍💻 🧑🏻‍🤝‍🧑🏿 🏳️‍🌈 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🇩🇪🇯🇵🇧🇷 1️⃣2️⃣🔟",
    "Ship it 🛳️!! 🐛➡️🦋 ☕️×3 = 😵‍💫 … ¯\\_(ツ)_/¯ (╯°□°)╯︵ ┻━┻",
]
_ENGLISH: Final = [
    "The ferry leaves the old harbour at seven, and by the time it passes the lighthouse most of the passengers "
    "have finished their first cup of coffee. Nobody speaks much before the island comes into view.",
    "Please summarise the attached minutes in five bullet points, keep the figures exactly as they are, and tell "
    "me which decisions still need an owner. If a date is missing, say so instead of guessing.",
    "An interest rate of 3.75% on $12,480.00 over 18 months isn't the same as 3.75% p.a., is it? Show the formula.",
    "Yes.",
]
_GERMAN: Final = [
    "Die Straßenbahnhaltestelle vor dem Krankenhaus wird wegen Gleisbauarbeiten bis voraussichtlich Ende März "
    "nicht bedient; Ersatzbusse fahren alle zwölf Minuten ab der Königsallee.",
    "Könnten Sie mir bitte erklären, weshalb die Betriebskostenabrechnung dieses Jahr um 214,30 € höher ausfällt "
    "und welche Widerspruchsfrist für Mieterinnen und Mieter gilt?",
]
_FRENCH: Final = [
    "Après l'orage, les terrasses du vieux marché se sont remplies d'un coup : on y parlait fort, on y riait "
    "surtout, et l'odeur du pain chaud couvrait celle de la pluie.",
    "Pourriez-vous réécrire cette lettre de motivation en gardant un ton sobre, sans dépasser vingt lignes, et en "
    "vérifiant l'accord des participes passés ?",
]
_RUSSIAN: Final = [
    "Ранним утром над рекой стоял такой густой туман, что лодочник узнавал берег только по лаю собак и по запаху "
    "дыма из соседней деревни.",
    "Составьте, пожалуйста, план переезда небольшой типографии: перечислите оборудование, сроки, ответственных и "
    "риски, а расходы сведите в таблицу с точностью до рубля.",
]
_CHINESE: Final = [
    "雨停以后，巷口的豆浆铺重新支起了棚子，老板把最后一屉包子端出来，蒸汽一下子模糊了整条街的招牌。",
    "请把下面的会议记录整理成表格，列出议题、结论、负责人和截止日期；没有提到负责人的，请单独标出来。谢谢！",
    "繁體中文也要測試：這份報告的第三章與附錄裡的數字對不起來，麻煩再核對一次。",
]
_JAPANESE: Final = [
    "駅前の古い喫茶店は、雨の日だけ少し早く店を開ける。常連の客は傘をたたむと、何も言わずにいつもの席へ向かった。",
    "このスクリプトのエラーメッセージを読んで、原因として考えられるものを可能性の高い順に三つ挙げてください。カ"
    "タカナ語は控えめにお願いします。",
]
_KOREAN: Final = [
    "장마가 끝나자 시장 골목에는 다시 사람들이 모였고, 할머니는 평상에 앉아 옥수수를 다듬으며 지나가는 아이들을 "
    "불러 세웠다.",
    "다음 문장을 존댓말로 고치고, 맞춤법이 틀린 곳이 있으면 표시한 뒤 왜 틀렸는지 짧게 설명해 주세요.",
]
_ARABIC: Final = [
    "في الصباح الباكر فتح بائع الكتب القديمة دكانه الصغير، ورتّب المخطوطات على الرفوف كما كان يفعل أبوه قبل أربعين "
    "عامًا.",
    "أرجو تلخيص العقد التالي في خمس نقاط واضحة، مع ذكر المبالغ والتواريخ كما وردت، والتنبيه إلى أي بند غامض.",
]
_HINDI: Final = [
    "बारिश थमते ही मोहल्ले के बच्चे काग़ज़ की नावें लेकर गली में निकल आए, और दादी बरामदे से उन्हें देखकर मुस्कुराती रहीं।",
    "कृपया इस रिपोर्ट का सारांश सरल हिंदी में लिखिए, आँकड़े जैसे हैं वैसे ही रखिए और अंत में तीन सुझाव दीजिए।",
]
_THAI: Final = [
    "เช้าวันเสาร์ตลาดน้ำเต็มไปด้วยเรือพายลำเล็ก แม่ค้าเรียกลูกค้าด้วยเสียงหัวเราะ และกลิ่นขนมครกลอยไปทั่วคลอง",
    "ช่วยตรวจคำสะกดในย่อหน้านี้ แล้วเขียนใหม่ให้สั้นลงครึ่งหนึ่งโดยไม่ตัดตัวเลขออก ขอบคุณมาก",
]
_PYTHON: Final = [
    '''from collections.abc import Iterator


def chunks(items: list[int], size: int) -> Iterator[list[int]]:
    """Cut a list into pieces of at most `size`."""
    if size < 1:
        raise ValueError(f"size must be positive, not {size}")
    for start in range(0, len(items), size):
        yield items[start : start + size]
''',
    "@dataclass(slots=True)\nclass Edge:\n\tsource: str\n\ttarget: str\n\tweight: float = 1.0\n\n\n\n# …\nassert "
    "Edge('a', 'b')\n",
]
_JAVASCRIPT: Final = [
    """export async function load(url, { retries = 3, signal } = {}) {
  for (let attempt = 0; attempt <= retries; attempt += 1) {
    const answer = await fetch(url, { signal });
    if (answer.ok) return answer.json();
    await new Promise((done) => setTimeout(done, 2 ** attempt * 100));
  }
  throw new Error(`gave up on ${url}`);
}
""",
    "const total=rows.filter(r=>!r.hidden).reduce((s,{price:p,count:c})=>s+p*c,0)||null;//§\n",
]
_TOOLS: Final = [
    {
        "name": f"{verb}_{thing}",
        "description": f"{verb.capitalize()} one {thing} of the customer's workspace; returns it with all its fields.",
        "parameters": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "description": f"The {thing}'s id, as `list_{thing}s` gives it"},
                "fields": {"type": "array", "items": {"type": "string", "enum": ["name", "state", "owner"]}},
                "dry_run": {"type": "boolean", "default": False},
            },
            "required": ["id"],
            "additionalProperties": False,
        },
    }
    for verb in ("read", "archive", "rename")
    for thing in ("invoice", "parcel", "sensor", "Überweisung")
]


def tool_schemas() -> list[dict[str, object]]:
    """Twelve function tools."""
    return [dict(tool) for tool in _TOOLS]


def _json() -> list[str]:
    records = [{"id": n, "sku": f"A-{n:05}", "price": n * 1.37, "tags": ["neu", None, True]} for n in range(12)]
    return [json.dumps(records), json.dumps({"rows": records[:4]}, indent=2)]


def _random_unicode() -> list[str]:
    """Any characters of the first three planes, as no customer sends them but an attacker may."""
    drawn = random.Random(20_260_601)
    planes = [(0x20, 0xD800), (0xE000, 0x10000), (0x10000, 0x30000)]
    return ["".join(chr(drawn.randrange(*drawn.choice(planes))) for _ in range(length)) for length in (40, 120, 300)]


def _base64() -> list[str]:
    drawn = random.Random(7)
    return [base64.b64encode(drawn.randbytes(size)).decode() for size in (60, 240)]


def _white_space() -> list[str]:
    return [" \n\t" * 20, "a\n\n\n\n\n\nb\t\t\t\tc", " " * 300, "\u3000\u200b\ufeff\u00a0" * 10, "-" * 80, "=+" * 60]


CORPUS: Final[dict[str, list[str]]] = {
    "English": _ENGLISH,
    "German": _GERMAN,
    "French": _FRENCH,
    "Russian": _RUSSIAN,
    "Chinese": _CHINESE,
    "Japanese": _JAPANESE,
    "Korean": _KOREAN,
    "Arabic": _ARABIC,
    "Hindi": _HINDI,
    "Thai": _THAI,
    "Python": _PYTHON,
    "JavaScript": _JAVASCRIPT,
    "JSON": _json(),
    "tool schemas": [json.dumps(tool) for tool in _TOOLS],
    "emoji": _EMOJI,
    "base64": _base64(),
    "white space and rules": _white_space(),
    "random characters": _random_unicode(),
}
