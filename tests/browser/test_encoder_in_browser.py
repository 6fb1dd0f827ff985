"""A page with an encoder in it, from a folder, without a network: ids and vectors are the library's; readers can use it."""

import math
import random
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urlencode, urlparse

import numpy as np
import pytest
import torch
from seen import PHONE, keep
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from fourier_lab import ModelConfig, SentenceEncoder
from fourier_lab.cli import parser
from fourier_lab.models.pretrained import shipped_encoders
from fourier_lab.site.encoder_data import EXAMPLES
from fourier_lab.site.token_rules import token_rules
from fourier_lab.text.tokenizer import Cutter, with_special_tokens, wordpiece_tokenizer
from fourier_lab.training.records import load_encoder
from fourier_lab.widgets.at_hand import SHIPPED

SENTENCES = [
    "", " \t\n", "\0", "\u200b\u200d\ufeff", "A man is playing a guitar.", "UPPER and lower, don't!", "x" * 100, "x" * 101,
    "é" * 100, "the cat " * 200, "supercalifragilisticexpialidocious", "[MASK] [CLS] [unused1]", "naïve café Ångström",
    "e\u0301 a\u0323\u0307 \u0307\u0323", "İstanbul ılık IĞDIR", "ΟΔΥΣΣΕΥΣ Σ ς", "ß ẞ ﬁ ﬀ Ⅳ ½", "𝒜𝔅 ＡＢＣ１２３",
    "漢字かな交じり文", "한국어 각 \u1112\u1161\u11ab", "𠀀𪜀 豈 \uf900 \U0002f800", "שלום עולם", "مَرْحَبًا بالعالم",
    "\u202eabc\u202c \u2066x\u2069", "हिन्दी क्षत्रिय", "ไทย กำ", "👩\u200d👩\u200d👧 👍🏽 🇫🇷 ☺\ufe0f",
    "a\u00adb a\u2028b a\u2029b a\u0085b a\u000bb a\u3000b", "“quotes” – … ¿¡ §", "\u0378 \U000e0080 \U0003ffff \U00010d54",
    "\ue000 \U000f0000 \ufffd \uffff", "\u302e\U0001d165\u302e a\u302e\u08d4\U0001d165\u0323\u1baa",
]  # fmt: skip


def odd_texts():
    """Return texts of characters that meet nowhere else: marks, Hangul, joiners, signs, what no Unicode knows, and words."""
    draw = random.Random(0)
    kinds = {}
    for code in range(0x30000):
        if not 0xD800 <= code < 0xE000:
            kinds.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
    # Marks that stay in the text stand beside each other and beside those that vanish.
    marks = [
        *"\u302e\u302f\U0001d165\U0001d16d\u1baa\u1bf2\u08d4\U0001e000\U0001e94a",
        *"\u0301\u0323\u0f71\u0e38\u093f\u0941\u200d",
    ]
    pools = [
        *kinds.values(),
        marks,
        marks,
        list("aezİΣßéÅ ̈"),
        list("가각힣ᄒ ᅡ ᆫ"),
        ["the ", "play", "ing ", "un", " 2024"],
    ]
    return ["".join(draw.choice(draw.choice(pools)) for _ in range(draw.randint(1, 24))) for _ in range(300)] + [
        "a" + "".join(draw.choices(marks, k=8)) for _ in range(100)
    ]


ON_THE_PAGE = [name for name in shipped_encoders() if not name.endswith("-distilled")]


@pytest.fixture(scope="module")
def address(site):
    return (site / "live/encoder.html").as_uri()


@pytest.fixture(scope="module")
def page(address, visit):
    page = visit(address, offline=True)
    page.wait_for_function(
        "document.body.dataset.turn"
    )  # left earlier, it would lack its worker and give up its scripts
    return page


@pytest.fixture(scope="module")
def encoders():
    arms = {f"arm-{arm}": load_encoder(SHIPPED / arm) for arm in ("fourier", "learned")}
    return {name: SentenceEncoder.from_pretrained(name) for name in shipped_encoders()} | arms


def drawn(page, change=lambda: None):
    """Wait until all that a change asks for is drawn."""
    before = page.evaluate("document.body.dataset.turn ?? 0")
    change()
    page.wait_for_function("before => document.body.dataset.turn > before", arg=before)


def go(page, address, **settings):
    """Open the page by a link."""
    page.goto("about:blank")
    page.goto(f"{address}#{urlencode(settings)}" if settings else address)
    page.wait_for_function("document.body.dataset.turn")


def cosine(page):
    return page.locator("#cosine strong").inner_text().replace("−", "-")


def expected(encoder, first, second):
    a, b = encoder.encode([first, second], normalize=True)
    return f"{a @ b:.2f}"


def test_ids_are_those_of_the_library_for_every_kind_of_text(page, address, encoders):
    plain = Tokenizer(
        models.WordPiece(
            {w: i for i, w in enumerate(["[UNK]", "[CLS]", "[SEP]", *"aéİΣß", "##e", "The"])}, unk_token="[UNK]"
        )
    )
    plain.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False)
    plain.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    texts = SENTENCES + odd_texts()
    go(page, address)
    for tokenizer in (encoders["fourier-100k"].tokenizer, with_special_tokens(plain)):
        rows = page.evaluate(
            """([rules, texts]) => {
                const cutter = fourierEncoder().tokenizer(rules);
                return texts.map((text) => [cutter.normalise(text), cutter.cut(text, 128).tokens.map(({ id }) => id)]);
            }""",
            [token_rules(tokenizer), texts],
        )
        right = Cutter(tokenizer, 128)(texts)
        for text, (normal, ids), wanted in zip(texts, rows, right, strict=True):
            assert (normal, ids) == (tokenizer.normalizer.normalize_str(text), wanted.tolist()), ascii(text)
        assert len({row.tobytes() for row in right}) > 30  # not all are unknown words


def test_every_character_is_cut_as_the_library_cuts_it(page, address, encoders):
    tokenizer = encoders["fourier-100k"].tokenizer
    # All characters of alphabets, and a sample of ideographs, syllables, private ones and planes that nothing fills.
    many = (range(0x3400, 0xD7A4), range(0xE000, 0xF900), range(0x17000, 0x18D00), range(0x20000, 0x110000))
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and (c % 31 == 0 or not any(c in r for r in many))]
    text = "|a".join(map(chr, codes))
    go(page, address)
    normal, words = page.evaluate(
        """([rules, text]) => {
            const cutter = fourierEncoder().tokenizer(rules);
            return [cutter.normalise(text), cutter.words(text).join(" ")];
        }""",
        [token_rules(tokenizer), text],
    )
    wanted = tokenizer.normalizer.normalize_str(text)
    for found, right in (
        (normal.split("|"), wanted.split("|")),
        (words.split(" "), [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(wanted)]),
    ):
        assert len(right) > len(codes) and len(found) == len(right)
        assert [ascii(pair) for pair in zip(found, right, strict=True) if pair[0] != pair[1]][:9] == []


@pytest.mark.parametrize("name", [*ON_THE_PAGE, "arm-fourier", "arm-learned"])
def test_vectors_are_those_of_the_library(page, address, encoders, name):
    go(page, address, encoder=ON_THE_PAGE[0] if name.startswith("arm-") else name)
    texts = [*SENTENCES, *sum(EXAMPLES, ())]
    vectors = page.evaluate(
        """([name, texts]) => {
            const page = JSON.parse(document.getElementById("page-data").textContent), engine = fourierEncoder();
            const { rules } = [...page.encoders, ...page.arms].find((one) => one.name === name);
            engine.load(name, fourierLab[name], fourierLab[rules]);
            return texts.map((text) => [...engine.read(name, text).vector]);
        }""",
        [name, texts],
    )
    right = encoders[name].encode(texts)
    assert abs(np.array(vectors) - right).max() < 1e-4 < 0.1 < abs(right).max()
    assert page.troubles == []


def test_the_page_is_small_and_shows_what_the_library_computes(page, address, encoders):
    encoder, (first, second) = encoders["fourier-100k"], EXAMPLES[0]
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    go(page, address)
    keep(page, "site_encoder_desktop")
    sizes = {url: Path(unquote(urlparse(url).path)).stat().st_size for url in asked if url.startswith("file:")}
    assert sum("/data/" in name for name in sizes) == 5 and sum(sizes.values()) < 3e6
    for row, arm in enumerate(("arm-fourier", "arm-learned")):
        said = page.locator("#arms tbody tr").nth(row).locator("td").all_inner_texts()
        count = sum(p.numel() for p in encoders[arm].parameters())
        assert said[0].replace("−", "-") == expected(encoders[arm], first, second) and said[2] == f"{count:,}"
    assert cosine(page) == expected(encoder, first, second)
    ids = encoder.tokenizer.encode(first).ids
    shown = page.locator("#tokens-a .id").all_inner_texts()
    assert shown == [f"{i:,}" for i in ids] and page.locator("#tokens-a path").count() == len(ids)
    # Shares sum to the cosine; each token left out by the library itself.
    cells = page.locator("#parts-a tbody tr").all_inner_texts()
    numbers = [[float(part.replace("−", "-")) for part in cell.replace(" %", "").split("\t")[1:4]] for cell in cells]
    assert math.isclose(sum(adds for _, adds, _ in numbers), float(cosine(page)), abs_tol=0.005 * (len(ids) + 1))
    shorter = encoder.encode_ids([ids[:k] + ids[k + 1 :] for k in range(len(ids))]).numpy()
    other = encoder.encode(second)
    wanted = shorter @ other / np.linalg.norm(shorter, axis=1) / np.linalg.norm(other)
    assert [without for *_, without in numbers] == pytest.approx(wanted, abs=0.006)
    sentences = page.evaluate("JSON.parse(document.getElementById('page-data').textContent).sentences")
    near = encoder.encode([first, *(text for text in sentences if text != first)], normalize=True)
    best = np.argsort(-(near[1:] @ near[0]))[:5]
    others = [text for text in sentences if text != first]
    assert page.locator("#near-a button").all_inner_texts() == [others[i] for i in best]
    table = encoder.config.vocab_size * encoder.config.d_model * 4 / 1e6
    assert (
        f"{table:.1f} MB" in page.locator("#stored").inner_text() and "0.4 MB" in page.locator("#stored").inner_text()
    )
    assert page.troubles == []


def test_a_link_restores_the_page_and_follows_what_is_written(page, address, encoders):
    go(page, address, encoder="fourier-400k", a="Rain & wind?", b="שלום #1")
    assert (page.locator("#a").input_value(), page.locator("#b").input_value()) == ("Rain & wind?", "שלום #1")
    assert page.get_by_label("fourier-400k").is_checked()
    assert page.locator("#tokens-b").evaluate("list => getComputedStyle(list).direction") == "rtl"
    assert "שלום" in page.locator("#note-b").inner_text() and "unknown" in page.locator("#note-b").inner_text()
    drawn(page, lambda: page.get_by_label("Second sentence").fill("It rains."))
    drawn(page, lambda: page.get_by_role("button", name="Swap").click())
    assert page.url == f"{address}#{urlencode(dict(encoder='fourier-400k', a='It rains.', b='Rain & wind?'))}"
    assert cosine(page) == expected(encoders["fourier-400k"], "It rains.", "Rain & wind?")
    drawn(page, lambda: page.evaluate("location.hash = 'a=Back'"))
    assert page.locator("#a").input_value() == "Back" and page.get_by_label("fourier-100k").is_checked()
    drawn(page, lambda: page.locator("#a").fill("so long " * 5000))
    assert page.url == address and page.locator("#no-link").is_visible() and not page.locator("#link").is_visible()
    assert page.troubles == []


def test_bad_input_gives_a_sentence_and_a_page(page, address, encoders):
    encoder, long = encoders["fourier-100k"], "the cat " * 100
    go(page, address, encoder="fourier-9m", layers="3", a="", b=long)
    message = page.locator("#message").inner_text()
    assert "another version" in message and "fourier-9m" in message and "layers" in message and "choose" in message
    assert "no word" in page.locator("#note-a").inner_text()
    assert (
        "first 128 tokens" in page.locator("#note-b").inner_text() and "74 more" in page.locator("#note-b").inner_text()
    )
    assert cosine(page) == expected(encoder, "", long)
    drawn(
        page,
        lambda: page.evaluate("a.value = 'half \\ud800 of it'; a.dispatchEvent(new Event('input', { bubbles: true }))"),
    )
    assert "Half of a character" in page.locator("#note-a").inner_text() and not page.locator("#message").is_visible()
    assert cosine(page) == expected(encoder, "half  of it", long)
    assert page.troubles == []


def test_a_phone_and_the_keyboard_suffice(page, address):
    page.set_viewport_size(PHONE)
    go(page, address, a="A dog runs.", b="A man is riding a bicycle down the long road to the sea in the evening.")
    keep(page, "site_encoder_phone")
    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    page.locator("#matrix").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    said, cell = page.locator("#cell").inner_text(), page.locator("#matrix .here")
    assert said.startswith("a (id") and "and a (id" in said and "1.000" in said and cell.inner_text() == "1.00"
    page.keyboard.press("ArrowUp")
    page.locator("#matrix td").last.hover()
    assert page.locator("#cell").inner_text().startswith("[SEP]")
    page.locator("#tokens-b").get_by_role("button", name="bicycle").press("Enter")
    assert "bicycle" in page.locator("#token h3").inner_text()
    before = page.locator("#token .note").inner_text()
    page.get_by_label("Dimension of the row").press("ArrowRight")
    assert page.locator("#token .note").inner_text() != before
    controls = page.locator("#encoder").locator("input, textarea, button, [tabindex='0']").all()
    assert all(control.evaluate("e => e.labels?.length || e.ariaLabel || e.innerText") for control in controls)
    assert page.troubles == []


def test_ones_own_encoder_is_one_file(tmp_path, visit):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "man", "##s", "rain", "ing", "##ing", "<", "/"])
    )
    torch.manual_seed(0)
    config = ModelConfig(
        "fourier", 12, d_model=10, n_layers=0, n_heads=1, frequencies="harmonic", pooler="none", max_seq_len=8
    )
    encoder = SentenceEncoder(config, wordpiece_tokenizer(vocabulary))
    torch.nn.init.normal_(encoder.embedding.norm.weight)
    encoder.save_pretrained(tmp_path / "mine")
    assert parser.main(["page", str(tmp_path / "mine"), "--out", str(tmp_path / "mine.html")]) == 0
    page = visit((tmp_path / "mine.html").as_uri() + "#a=A+man+rains&b=raining+</script>+a+a+a+a", offline=True)
    page.wait_for_function("document.body.dataset.turn")
    assert cosine(page) == expected(encoder, "A man rains", "raining </script> a a a a")
    assert "4 more" in page.locator("#note-b").inner_text()
    vectors = page.evaluate("""() => {
        const engine = fourierEncoder(), { encoders } = JSON.parse(document.getElementById("page-data").textContent);
        const [{ name, rules }] = encoders;
        engine.load(name, fourierLab[name], fourierLab[rules]);
        return ["A man rains", ""].map((text) => [...engine.read(name, text).vector]);
    }""")
    assert abs(np.array(vectors) - encoder.encode(["A man rains", ""])).max() < 1e-5
    keep(page, "encoder_of_ones_own")
    assert page.troubles == []


def test_without_workers_or_scripts_there_is_a_page(address, visit, encoders):
    wanted = expected(encoders["fourier-100k"], *EXAMPLES[0])
    page = visit(address, offline=True)
    page.wait_for_function("document.body.dataset.turn")
    page.add_init_script("delete self.Worker")
    page.reload()
    page.wait_for_function("document.body.dataset.turn")
    assert cosine(page) == wanted and page.troubles == []
    still = visit(address, offline=True, java_script_enabled=False, viewport=PHONE)
    keep(still, "site_encoder_still")
    words = still.locator("#still").inner_text()
    assert "needs JavaScript" in words and f"cosine is {wanted}" in words and still.locator("#still td").count() > 70
    assert not still.locator("#encoder").is_visible() and still.troubles == []
    assert still.locator("main").evaluate("main => main.scrollWidth - innerWidth") <= 0
