"""Any tokenizer.json and vocab.txt: named roles, exact numbers of ids, the same text under other ids and in smaller."""

import hashlib

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from fourier_lab import ModelConfig, RunConfig, SentenceEncoder
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.geometry.sentences import read_sentence
from fourier_lab.geometry.stages import stage_names, stage_table
from fourier_lab.study.token_tables import example_words, token_classes
from fourier_lab.text.corpus import TokenPairs
from fourier_lab.text.id_order import most_used, reorder
from fourier_lab.text.report import unreachable_pieces
from fourier_lab.text.tokenizer import token_words, tokenize, tokenizer_at, vocabulary_hash, wordpiece_tokenizer
from fourier_lab.text.vocabulary import Roles, bare, roles

TEXT = ["the dog runs fast", "a red guitar is running", "Dogs and men run at home", "un café rouge"] * 30
PROBE = "a dog runs, the guitar"


def byte_level(special=("<|endoftext|>",), ends=False):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=sorted(alphabet), special_tokens=list(special), show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    if ends:  # as in RoBERTa's file
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=80, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer.add_special_tokens(["<mask>"])
    return tokenizer


def cased_wordpiece():
    words = [
        "[UNK]",
        *sorted({c for text in TEXT for c in text if c != " "}),
        "[PAD]",
        "Dogs",
        "dog",
        "##s",
        "run",
        "[CLS]",
    ]
    words += [f"##{c}" for c in sorted({c for text in TEXT for c in text if c not in " s"})] + [
        "[SEP]",
        "café",
        "the",
        "guitar",
    ]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [tokenizer.token_to_id(token) for token in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ends[0]), ("[CLS]", ends[1]))
    return tokenizer


MADE = {
    "byte-level BPE": byte_level,
    "RoBERTa": lambda: byte_level(("<s>", "<pad>", "</s>", "<unk>"), ends=True),
    "Unigram": unigram,
    "cased WordPiece": cased_wordpiece,
}


@pytest.fixture(params=MADE)
def made(request):
    return MADE[request.param]()


def test_roles_are_named_by_the_file():
    assert roles(byte_level()) == Roles(None, None, (), ())
    assert roles(MADE["RoBERTa"]()) == Roles(1, None, (0,), (2,))
    assert roles(unigram()) == Roles(1, 3, (), (2,))
    bert = cased_wordpiece()
    pad, unknown, first, last = map(bert.token_to_id, ("[PAD]", "[UNK]", "[CLS]", "[SEP]"))
    assert roles(bert) == Roles(pad, unknown, (first,), (last,))
    padded = byte_level()
    padded.enable_padding(pad_id=0, pad_token="<|endoftext|>")
    assert roles(padded).pad == 0


def test_a_tokenizer_file_is_read_as_it_is(made, tmp_path):
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    read = tokenizer_at(path)
    assert vocabulary_hash(read) == vocabulary_hash(made)
    assert tokenize(read, [PROBE], 128)[0].tolist() == made.encode(PROBE).ids


def test_a_file_that_is_none_or_leaves_out_ids_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(DataError, match="is no tokenizer.json"):
        tokenizer_at(path)
    Tokenizer(models.WordLevel({"a": 0, "b": 2}, unk_token="a")).save(str(path))
    with pytest.raises(DataError, match="2 tokens with ids up to 2"):
        tokenizer_at(path)


def test_two_hundred_and_fifty_thousand_ids(tmp_path):
    pieces = [("<unk>", 0.0), *((f"▁w{i}", -1.0 - i / 1e5) for i in range(250_000)), ("</s>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    read = tokenizer_at(tmp_path / "tokenizer.json")
    assert read.get_vocab_size(with_added_tokens=True) == 250_002
    assert tokenize(read, ["w249999 w7"], 128)[0].tolist() == [250_000, 8]
    assert roles(read) == Roles(None, 0, (), ())


def test_new_ids_leave_the_reading_alone(made):
    n = made.get_vocab_size(with_added_tokens=True)
    order = np.random.default_rng(0).permutation(n)
    new = reorder(made, order)
    new_id = np.argsort(order)
    for text in (PROBE, "un café 😀 zzz"):
        before, after = (tokenize(t, [text], 128)[0] for t in (made, new))
        assert new_id[before].tolist() == after.tolist()
    assert {new.id_to_token(i) for i in roles(new).ids} == {made.id_to_token(i) for i in roles(made).ids}


def test_a_smaller_vocabulary_keeps_roles_and_reaches_its_tokens(made):
    n = made.get_vocab_size(with_added_tokens=True)
    counts = np.bincount(np.concatenate(tokenize(made, TEXT, 128)), minlength=n)
    kept = most_used(made, counts, n - 3)
    small = reorder(made, kept)
    assert small.get_vocab_size(with_added_tokens=True) == n - 3 == len(set(kept.tolist()))
    assert roles(made).ids <= set(kept.tolist())
    assert len(roles(small).first) == len(roles(made).first) and len(roles(small).last) == len(roles(made).last)
    # Plain English is spelled as before, in shorter pieces if need be, and the most used tokens still come up.
    for text in TEXT[:3]:
        before, after = (
            "".join(map(bare, t.encode(text).tokens)).replace("Ġ", "").replace("▁", "") for t in (made, small)
        )
        assert before == after and text.replace(" ", "") in after
    most = made.id_to_token(int(counts.argmax()))
    assert small.token_to_id(most) in np.concatenate(tokenize(small, TEXT, 128))
    with pytest.raises(ConfigError, match="must be at least"):
        most_used(made, counts, 3)


def test_an_encoder_reads_with_any_tokenizer(made):
    n = made.get_vocab_size(with_added_tokens=True)
    encoder = SentenceEncoder(ModelConfig("learned", n, d_model=8, n_layers=1), made).eval()
    assert encoder.encode([PROBE, "dog"]).shape == (2, 8)
    reading = read_sentence(encoder, "a dog 😀")
    first, last = roles(made).first, roles(made).last
    assert reading.content.tolist() == [False] * len(first) + [True] * (len(reading.ids) - len(first) - len(last)) + [
        False
    ] * len(last)
    unknown = roles(made).unknown
    assert reading.unknown == ([] if unknown is None else ["😀"])
    assert reading.unknown_as == (None if unknown is None else made.id_to_token(unknown))
    table = stage_table(encoder, stage_names(encoder.config)[-1])
    alone = encoder.hidden_states(encoder.pack([np.array([*first, 9, *last])]))[-1][len(first)]
    np.testing.assert_allclose(table[9], alone.detach().numpy(), atol=1e-6)


def test_padding_needs_a_padding_token():
    def padding(tokenizer):
        n = tokenizer.get_vocab_size(with_added_tokens=True)
        return SentenceEncoder(ModelConfig("learned", n, d_model=8, departures=("padding_mean",)), tokenizer)

    with pytest.raises(ConfigError, match="no padding token"):
        padding(byte_level())
    tokenizer = cased_wordpiece()
    assert padding(tokenizer).pad_id == tokenizer.token_to_id("[PAD]") != 0


def test_texts_of_pairs_are_without_the_ends():
    rows = [np.arange(4), np.arange(3)]
    for ends, lengths in {(1, 1): [2, 1], (0, 1): [3, 2], (0, 0): [4, 3]}.items():
        assert [len(row) for row in TokenPairs(rows, rows, np.zeros(2), ends).texts[0]] == lengths


def test_kinds_of_pieces_go_by_the_vocabularys_own_mark():
    config = RunConfig(corpus="snli", source="folder")
    for tokenizer, whole, piece in ((byte_level(), "Ġdog", "un"), (cased_wordpiece(), "dog", "##s")):
        words = token_words(tokenizer)
        kind = dict(zip(words, token_classes(config, tokenizer)["kind"], strict=True))
        assert (kind[whole], kind[piece]) == ("whole word", "word piece")
        assert whole in example_words(config, tokenizer)


@pytest.mark.parametrize(
    ("pieces", "text", "tokens"),
    [
        (["the", "dog"], "The Dôg", ["the", "dog"]),
        (["The", "the", "dog"], "The dog", ["The", "dog"]),
        (["café", "the"], "The Café", ["the", "café"]),
        (["Café", "cafe"], "Café cafe", ["Café", "cafe"]),
    ],
)
def test_a_vocabulary_is_read_in_its_own_case_and_accents(tmp_path, pieces, text, tokens):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *pieces]), encoding="utf-8")
    tokenizer = wordpiece_tokenizer(path)
    assert tokenizer.encode(text).tokens == ["[CLS]", *tokens, "[SEP]"]
    assert unreachable_pieces(tokenizer) == []


def test_a_stray_capital_does_not_make_a_vocabulary_cased(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "Odd", *(f"w{i}" for i in range(2000)), "the"]))
    tokenizer = wordpiece_tokenizer(path)
    assert tokenizer.encode("The").tokens[1] == "the" and unreachable_pieces(tokenizer) == ["Odd"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("trailing", [0, 1, 3])
def test_the_number_of_ids_is_what_the_file_says(tmp_path, mark, end, trailing):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a\x85b", "\u2028", "x\u2029", "\x1c", "é", "dog"]
    path = tmp_path / "vocab.txt"
    path.write_bytes((mark + end.join(pieces) + end * trailing).encode())
    assert token_words(wordpiece_tokenizer(path)) == pieces


def test_a_sentence_that_the_tokenizer_drops_is_named():
    with pytest.raises(DataError, match=r"sentence 1 is '\\u200d', which holds no token"):
        tokenize(cased_wordpiece(), ["dog", "\u200d"], 128)


def test_a_vocabulary_is_named_by_all_that_decides_how_text_is_cut():
    ids = {token: i for i, token in enumerate(["a", "b", "c", "ab", "bc", "abc"])}
    pairs = [("a", "b"), ("b", "c"), ("ab", "c")]
    merged = [models.BPE(ids, merges) for merges in (pairs, [pairs[1], pairs[0], pairs[2]])]
    scored = [models.Unigram([(token, score) for token in ids], 0, False) for score in (-1.0, -2.0)]
    names = [vocabulary_hash(Tokenizer(model)) for model in (*merged, *scored)]
    assert len(set(names)) == 4 and vocabulary_hash(Tokenizer(models.BPE(ids, pairs))) == names[0]
    # Where tokens alone decide, the name is the one that records have had all along.
    plain = hashlib.sha256(b"a\nb\nc\nab\nbc\nabc").hexdigest()[:12]
    for model in (models.WordPiece(ids, unk_token="a"), models.WordLevel(ids, unk_token="a")):
        assert vocabulary_hash(Tokenizer(model)) == plain
