"""A saved folder in sentence-transformers: the same vectors, its trainer, and back."""

import numpy as np
import pytest
import torch

library = pytest.importorskip("sentence_transformers")

from datasets import Dataset  # noqa: E402

from fourier_lab import ModelConfig, SentenceEncoder  # noqa: E402
from fourier_lab.errors import DataError  # noqa: E402
from fourier_lab.text.tokenizer import toy_tokenizer  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # of transformers, about itself
TOKENIZER = toy_tokenizer(500)
WORDS = [TOKENIZER.id_to_token(i) for i in range(10, 60)]
SENTENCES = [" ".join(WORDS[i : i + 1 + i % 9]) for i in range(40)]
CONFIGS = [
    ModelConfig("fourier", 500, 16, frequencies="random", frequency_seed=3, n_heads=2, max_seq_len=7),
    ModelConfig("bloom", 500, 16, embedding_options={"buckets": 32}, n_layers=0, departures=("published_rotary",)),
]


@pytest.fixture(params=CONFIGS, ids=lambda config: config.arm)
def encoder(request):
    torch.manual_seed(0)
    return SentenceEncoder(request.param, TOKENIZER).eval()


def opened(folder):
    return library.SentenceTransformer(str(folder), trust_remote_code=True, device="cpu", local_files_only=True)


def test_the_folder_opens_with_the_same_numbers(encoder, tmp_path):
    model = opened(encoder.save_pretrained(tmp_path / "one"))
    np.testing.assert_allclose(model.encode([*SENTENCES, ""]), encoder.encode([*SENTENCES, ""]), atol=1e-6, rtol=0)
    assert model.get_embedding_dimension() == 16 and model.max_seq_length == encoder.config.max_seq_len
    assert model.similarity_fn_name == "cosine"
    model.save_pretrained(str(tmp_path / "two"))
    back = SentenceEncoder.from_pretrained(tmp_path / "two")
    assert back.config == encoder.config
    np.testing.assert_array_equal(back.encode(SENTENCES), encoder.encode(SENTENCES))


def test_it_trains_saves_and_loads(encoder, tmp_path):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    pytest.importorskip("accelerate")
    model = opened(encoder.save_pretrained(tmp_path / "one"))
    settings = library.SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=3, per_device_train_batch_size=5, learning_rate=1e-2, use_cpu=True,
        report_to="none", save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    pairs = Dataset.from_dict({"anchor": SENTENCES[:-1], "positive": SENTENCES[1:]})
    loss = MultipleNegativesRankingLoss(model)
    library.SentenceTransformerTrainer(model=model, args=settings, train_dataset=pairs, loss=loss).train()
    trained = model.encode(SENTENCES)
    assert np.abs(trained - encoder.encode(SENTENCES)).max() > 0.01
    model.save_pretrained(str(tmp_path / "two"))
    np.testing.assert_array_equal(opened(tmp_path / "two").encode(SENTENCES), trained)
    np.testing.assert_allclose(SentenceEncoder.from_pretrained(tmp_path / "two").encode(SENTENCES), trained, atol=1e-6)


def test_a_bad_row_names_itself(encoder, tmp_path):
    model = opened(encoder.save_pretrained(tmp_path))
    with pytest.raises(DataError, match="sentence 1 is None"):
        model[0].preprocess(["a", None])
