"""Tell transformers' auto classes of models with a computed embedding, as soon as it is imported and no sooner."""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODEL_TYPE = "fourier_lab"  # in the config.json of a transformers model whose embedding was replaced
KEY = "fourier_lab"  # what its config calls the settings of that embedding
_AUTO = "transformers.models.auto.configuration_auto"


class _Watcher:
    """Finder that calls ``then`` once, after the module called ``name`` has been imported in the usual way."""

    def __init__(self, name: str, then: Callable[[], None]):
        self.name, self.then = name, then

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_tell(module: ModuleType) -> None:
                execute(module)
                self.then()

            spec.loader.exec_module = execute_and_tell  # type: ignore[method-assign]
        return spec


def watch() -> None:
    """Register now if transformers' auto classes are imported, else when they are."""
    if _AUTO in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Watcher(_AUTO, register))


def register() -> None:
    """Make ``AutoConfig``, and with it every auto class, open what a model with a computed embedding has saved."""
    from transformers.configuration_utils import PreTrainedConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    class ComputedEmbeddingConfig(PreTrainedConfig):
        """Stands for the configurations of all families: the file says which one it is."""

        model_type = MODEL_TYPE

        @classmethod
        def from_dict(cls, config_dict: dict[str, Any], **options: Any) -> Any:
            from .transformers import register_family

            return register_family(CONFIG_MAPPING[config_dict[KEY]["family"]]).from_dict(config_dict, **options)

    CONFIG_MAPPING.register(MODEL_TYPE, ComputedEmbeddingConfig, exist_ok=True)
