import json

import pandas as pd
import pytest


@pytest.fixture
def bert(tmp_path):
    """A folder with a small BERT and its tokenizer."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "."]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    folder = tmp_path / "bert"
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = BertConfig(vocab_size=9, intermediate_size=16, **sizes)
    BertModel(config).save_pretrained(folder)
    return f"hf:{folder}"


def test_pictures_of_one_layer_and_of_several(call, bert, tmp_path):
    done = call("attention", "the cat sat.", "-m", bert, "-o", tmp_path / "a.png", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["tokens"] == ["[CLS]", "the", "cat", "sat", ".", "[SEP]"]
    assert told["out"] == [str(tmp_path / "a.png")]
    assert "2" in told["layers"][0]
    words = ["-l", "0", "-l", "1", "-o", tmp_path / "b.svg"]
    done = call("attention", "-", "-m", bert, *words, input="the cat")
    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.glob("b-*.svg"))) == 2


def test_tables_have_a_row_a_head(call, bert, tmp_path):
    for ending, read in ((".csv", pd.read_csv), (".json", pd.read_json)):
        out = tmp_path / f"heads{ending}"
        assert call("attention", "the cat sat", "-m", bert, "-o", out).exit_code == 0
        table = read(out)
        assert list(zip(table["layer"], table["head"], strict=True)) == [
            (layer, head) for layer in range(3) for head in range(2)
        ]
        assert table["entropy"].between(0, 1).all()


def test_an_empty_text_is_said(call, bert, tmp_path):
    done = call("attention", " ", "-m", bert, "-o", tmp_path / "a.png")
    assert done.exit_code == 2
    assert "text is empty" in done.stderr


def test_a_page_to_touch_holds_all_layers(call, bert, tmp_path):
    out = tmp_path / "pages" / "view.html"
    done = call("attention", "the cat sat", "-m", bert, "-o", out, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["out"], len(told["layers"])) == ([str(out)], 3)
    assert "<html" in out.read_text("utf-8")
