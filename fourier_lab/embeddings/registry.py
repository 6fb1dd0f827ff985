"""The token embeddings, feed-forwards, attentions and output heads that a run can name, with the settings of each."""

from dataclasses import dataclass

from ..plugins import Kind
from .attention_settings import LocalSettings, NoSettings
from .feed_forward_settings import LowRankSettings, MemorySettings, ReLUSettings, SiLUSettings
from .rivals import settings as rivals
from .tuning_settings import GIFTSettings, LoRASettings, PromptSettings


@dataclass(frozen=True)
class FourierSettings:
    """What :class:`fourier_lab.FourierEmbedding` takes besides its sizes; each is a setting of the run itself."""

    frequencies: str | tuple[int, ...] = "harmonic"
    basis: str = "fourier"
    period: int | None = None
    mlp: str = "linear"

    def parameters(self, vocab_size: int, width: int) -> int:
        """Return the parameters of V ids of width d."""
        return rivals.map_parameters(self.mlp, width) + width


@dataclass(frozen=True)
class WideFourierSettings:
    """What :class:`fourier_lab.embeddings.wide.WideFourierEmbedding` takes besides its sizes."""

    frequencies: str = "mixed"
    period: int | None = None
    n_frequencies: int = 512

    def parameters(self, vocab_size: int, width: int) -> int:
        """Return the parameters of V ids of width d."""
        return 2 * self.n_frequencies * width + width


@dataclass(frozen=True)
class LearnedSettings:
    """A table has no settings."""

    def parameters(self, vocab_size: int, width: int) -> int:
        """Return the parameters of V ids of width d."""
        return (vocab_size + 1) * width


_RIVALS: dict[str, tuple[str, type]] = {
    "factorised": ("products:FactorisedEmbedding", rivals.FactorisedSettings),
    "adaptive": ("products:AdaptiveEmbedding", rivals.AdaptiveSettings),
    "hashed": ("hashing:HashedEmbedding", rivals.HashedSettings),
    "hash_embeddings": ("hashing:HashEmbeddings", rivals.HashEmbeddingsSettings),
    "bloom": ("hashing:BloomEmbedding", rivals.BloomSettings),
    "canine": ("hashing:CanineEmbedding", rivals.CanineSettings),
    "signature": ("hashing:SignatureEmbedding", rivals.SignatureSettings),
    "quotient_remainder": ("products:QuotientRemainderEmbedding", rivals.QuotientRemainderSettings),
    "tensor_train": ("products:TensorTrainEmbedding", rivals.TensorTrainSettings),
    "word2ket": ("products:Word2KetEmbedding", rivals.Word2KetSettings),
    "robe": ("hashing:RobeEmbedding", rivals.RobeSettings),
    "deep_hash": ("networks:DeepHashEmbedding", rivals.DeepHashSettings),
    "alone": ("networks:AloneEmbedding", rivals.AloneSettings),
    "leviathan": ("leviathan:LeviathanEmbedding", rivals.LeviathanSettings),
    "frozen_random": ("codes:FrozenRandomEmbedding", rivals.FrozenRandomSettings),
    "frozen_binary": ("codes:FrozenBinaryEmbedding", rivals.FrozenBinarySettings),
    "dct": ("codes:DCTEmbedding", rivals.DCTSettings),
    "learned_frequencies": ("expansions:LearnedFrequenciesEmbedding", rivals.LearnedFrequenciesSettings),
    "companded": ("expansions:CompandedEmbedding", rivals.CompandedSettings),
    "companded_by_counts": ("expansions:CountCompandedEmbedding", rivals.CountCompandedSettings),
    "sinusoidal": ("codes:SinusoidalEmbedding", rivals.SinusoidalSettings),
    "byte_waves": ("spelling:ByteWavesEmbedding", rivals.ByteWavesSettings),
    "kronecker": ("spelling:KroneckerEmbedding", rivals.KroneckerSettings),
    "ngrams": ("spelling:NgramsEmbedding", rivals.NgramsSettings),
}
RIVALS = tuple(_RIVALS)
EMBEDDINGS = Kind(
    "fourier_lab.embeddings",
    "token embedding",
    {name: f"fourier_lab.embeddings.fourier:{name.title()}Embedding" for name in ("fourier", "learned")}
    | {"wide_fourier": "fourier_lab.embeddings.wide:WideFourierEmbedding"}
    | {name: f"fourier_lab.embeddings.rivals.{path}" for name, (path, _) in _RIVALS.items()},
    {"fourier": FourierSettings, "learned": LearnedSettings, "wide_fourier": WideFourierSettings}
    | {name: kind for name, (_, kind) in _RIVALS.items()},
)
FEED_FORWARDS = Kind(
    "fourier_lab.feed_forwards",
    "feed-forward",
    {
        "silu": "fourier_lab.embeddings.fourier:SiLUMLP",
        "relu": "fourier_lab.models.feed_forwards:ReLUFeedForward",
        "low_rank": "fourier_lab.models.feed_forwards:LowRankFeedForward",
        "memory": "fourier_lab.models.feed_forwards:MemoryFeedForward",
    },
    {"silu": SiLUSettings, "relu": ReLUSettings, "low_rank": LowRankSettings, "memory": MemorySettings},
)

ATTENTIONS = Kind(
    "fourier_lab.attentions",
    "attention",
    {
        "full": "fourier_lab.models.attentions:FullAttention",
        "local": "fourier_lab.models.attentions:LocalAttention",
        "linear": "fourier_lab.models.attentions:LinearAttention",
        "prompts": "fourier_lab.models.prompts:PromptAttention",
        "apt": "fourier_lab.models.prompts:ApproximatedPromptAttention",
    },
    {
        "full": NoSettings,
        "local": LocalSettings,
        "linear": NoSettings,
        "prompts": PromptSettings,
        "apt": PromptSettings,
    },
)
# What of a pretrained encoder moves; none of other packages.
TUNINGS = Kind(
    "fourier_lab.tunings",
    "tuning",
    {},
    {
        "full": NoSettings,
        "head": NoSettings,
        "lora": LoRASettings,
        "gift": GIFTSettings,
        "prompts": PromptSettings,
        "apt": PromptSettings,
    },
)


@dataclass(frozen=True)
class DenseHeadSettings:
    """A head over all ids, ``tied`` or ``learned``; ``bias`` gives each id a number of its own."""

    bias: bool = True


@dataclass(frozen=True)
class FourierHeadSettings:
    """What :class:`fourier_lab.FourierHead` takes besides its sizes."""

    frequencies: str | tuple[int, ...] = "mixed"
    n_frequencies: int | None = None
    period: int | None = None
    bias: bool = True
    mlp: str = "none"


@dataclass(frozen=True)
class DecoupledHeadSettings:
    """A table of another ``width`` than the model's, behind a linear map to it."""

    width: int = 32
    bias: bool = True


@dataclass(frozen=True)
class AdaptiveHeadSettings:
    """What torch's AdaptiveLogSoftmaxWithLoss takes; ids from ``cutoffs`` on are less often computed, and narrower."""

    cutoffs: tuple[int, ...] = (1000,)
    div_value: float = 4.0


@dataclass(frozen=True)
class HashCascadeSettings:
    """Each id is ``hashes`` codes of ``buckets`` values, predicted one after the other."""

    buckets: int = 64
    hashes: int = 4


HEADS = Kind(
    "fourier_lab.heads",
    "output head",
    {
        "tied": "fourier_lab.models.heads:TiedHead",
        "learned": "fourier_lab.models.heads:learned_head",
        "fourier": "fourier_lab.models.fourier_head:FourierHead",
        "decoupled": "fourier_lab.models.heads:decoupled_head",
        "adaptive": "fourier_lab.models.heads:AdaptiveHead",
        "hash_cascade": "fourier_lab.models.hash_cascade:HashCascadeHead",
    },
    {
        "tied": DenseHeadSettings,
        "learned": DenseHeadSettings,
        "fourier": FourierHeadSettings,
        "decoupled": DecoupledHeadSettings,
        "adaptive": AdaptiveHeadSettings,
        "hash_cascade": HashCascadeSettings,
    },
)
