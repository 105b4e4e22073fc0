"""What a report of texts holds, against single runs of the model."""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

if (folder := str(Path(__file__).parent)) not in sys.path:
    sys.path.append(folder)

from text_models import TEXTS, classifier, content, reader, saved, tokenizer, writer

from interpviz.attention import capture_attention
from interpviz.errors import InputError, InterpvizError, LayerError
from interpviz.report import TextOptions, build, build_texts
from interpviz.report.texts.reading import find_rows

STATISTICS = {
    "entropy": "entropy",
    "distance": "distance",
    "sink": "sink_mass",
    "special": "special_mass",
    "previous": "previous_token",
    "next": "next_token",
}


class Data:
    def __init__(self, out):
        self.out = out
        self.run, self.index, self.summary = (
            content(out / "data" / f"{name}.js") for name in ("run", "index", "summary")
        )
        self.records = []
        for path in sorted((out / "data").glob("records-*.js")):
            self.records += content(path)["records"]

    def view(self, record):
        return content(self.out / "data" / "texts" / record["key"][:2] / f"{record['key']}.js")

    def heads(self, text):
        shape = (len(self.run["layers"]), len(self.run["columns"]), self.run["heads"])
        return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)

    def column(self, name, kind):
        return np.frombuffer(base64.b64decode(self.index["columns"][name]), kind)


def build_bare(model, texts, out, **options):
    return build_texts(model, texts, out, site=False, **options)


@pytest.fixture
def words(tmp_path):
    return tokenizer(tmp_path / "words")


@pytest.fixture
def plain_words(tmp_path):
    return tokenizer(tmp_path / "plain", special=False)


@pytest.mark.parametrize("make", [classifier, reader, writer])
def test_padding_changes_no_number(make, words, plain_words, tmp_path):
    model, own = make(), plain_words if make is writer else words
    build_bare((model, own), TEXTS, tmp_path / "out", batch_size=8)
    data = Data(tmp_path / "out")
    assert [record["text"] for record in data.records] == TEXTS
    for text, record in zip(TEXTS, data.records, strict=True):
        inputs = own(text, return_tensors="pt", return_special_tokens_mask=True)
        table = capture_attention(model, dict(inputs)).statistics()
        heads = data.heads(data.view(record)["heads"])
        for place, name in enumerate(data.run["columns"]):
            expected = table.column(STATISTICS[name]).numpy()
            if name == "special" and make is writer:
                expected = np.full_like(expected, np.nan)
            np.testing.assert_allclose(heads[:, place], expected, atol=1e-5, err_msg=name)
        del inputs["special_tokens_mask"]
        with torch.no_grad():
            output = model(**inputs)
        if make is classifier:
            shares = output.logits.softmax(1)[0]
            assert [c for c, _ in record["top"]] == shares.argsort(descending=True).tolist()
            assert record["top"][0][1] == pytest.approx(float(shares.max()), abs=1e-5)
        if make is writer:
            ids = inputs["input_ids"][0]
            each = -output.logits[0, :-1].log_softmax(1).gather(1, ids[1:, None])[:, 0]
            if len(ids) > 1:
                assert record["loss"] == pytest.approx(float(each.mean()), abs=1e-5)
            surprise = data.view(record)["surprise"]
            assert surprise[0] is None
            np.testing.assert_allclose(surprise[1:], each, atol=1e-3)


def test_the_weights_of_the_view_are_those_of_a_single_run(words, tmp_path):
    model = reader()
    build_bare((model, words), TEXTS, tmp_path / "out", layers=[0, -1])
    data = Data(tmp_path / "out")
    assert data.run["shown"] == [0, 2]
    for text, record in zip(TEXTS, data.records, strict=True):
        maps = capture_attention(model, words(text, return_tensors="pt"), tokens=words)
        view = data.view(record)["attention"]
        assert len(json.dumps(view)) < 150_000
        tokens = view["texts"][0]["tokens"]
        assert len(tokens) == record["tokens"] == maps.weights[0].shape[2]
        assert view["texts"][0]["special"] == [0, len(tokens) - 1]
        for layer in view["layers"]:
            weights = maps.weights[layer["number"]][0].numpy()
            for head, codes, (top, special) in zip(
                layer["heads"], layer["data"], layer["scales"], strict=True
            ):
                code = np.frombuffer(base64.b64decode(codes), np.uint8).reshape(layer["shape"])
                scale = np.full(len(tokens), top)
                scale[[0, -1]] = special
                np.testing.assert_allclose(scale * (code / 255) ** 2, weights[head], atol=4e-3)


def test_long_texts_keep_fewer_heads_and_stay_small(words, tmp_path):
    import transformers as tf
    from text_models import SIZES

    from interpviz.report.texts.views import MOST_BYTES

    sizes = {**SIZES, "max_position_embeddings": 512, "num_attention_heads": 8}
    model = tf.BertModel(tf.BertConfig(**sizes)).eval()
    build_bare((model, words), ["the cat " * 400, "a cat"], tmp_path / "out", max_tokens=200)
    data = Data(tmp_path / "out")
    long, short = (data.view(record)["attention"] for record in data.records)
    assert data.records[0]["notes"][0] == "cut to 200 of 802 tokens"
    assert data.records[0]["tokens"] == 200
    assert [len(layer["heads"]) for layer in short["layers"]] == [8, 8, 8]
    assert 1 <= sum(len(layer["heads"]) for layer in long["layers"]) < 24
    sizes = [path.stat().st_size for path in (tmp_path / "out" / "data" / "texts").rglob("*.js")]
    assert MOST_BYTES / 2 < max(sizes) <= MOST_BYTES


def test_columns_and_summary_agree_with_the_records(words, tmp_path):
    labels = ["good", "BAD", "good", "<i>odd</i>", "other", "bad", "good", None, "bad"]
    pairs = list(zip(TEXTS, labels, strict=True))
    summary = build_bare((classifier(), words), pairs, tmp_path / "out")
    data = Data(tmp_path / "out")
    names = data.run["categories"]
    assert names == ["bad", "good", "<i>odd</i>"]
    known = [
        (r, names.index(r["label"].lower()))
        for r in data.records
        if r.get("label", "other") != "other"
    ]
    right = sum(r["top"][0][0] == own for r, own in known)
    assert (summary.labelled, summary.right) == (len(known), right) == (7, right)
    for record, own in known:
        shares = dict(record["top"])
        assert record["label_p"] == pytest.approx(shares[own])
    assert sum(count for *_, count in data.summary["confusion"]) == 8
    for name, codes in ((n, data.column(n, "<u2")) for n in data.index["scales"]):
        for code, record in zip(codes, data.records, strict=True):
            value = record["top"][0][1] if name == "confidence" else record.get(name)
            if value is None:
                assert code == 65535
            else:
                assert code / 65534 * data.index["scales"][name] == pytest.approx(
                    value, rel=1e-3, abs=1e-4
                )
    assert data.summary["tokens"] == sum(r["tokens"] for r in data.records)
    every = [data.heads(data.view(r)["heads"]) for r in data.records]
    np.testing.assert_allclose(data.heads(data.summary["heads"]), np.nanmean(every, 0), atol=1e-5)


def test_numbers_as_labels_are_places_of_classes(words, tmp_path):
    pairs = [("a cat", 2), ("a dog", "0")]
    assert build_bare((classifier(), words), pairs, tmp_path / "out").labelled == 2
    assert Data(tmp_path / "out").index["label_class"] == [0, 2]


def test_a_second_run_does_nothing_and_changes_do_only_themselves(words, tmp_path):
    out, model = tmp_path / "out", (classifier(), words)
    assert build_bare(model, TEXTS, out).new == len(TEXTS)
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.glob("data/texts/*/*")}
    scripts = {p: p.read_bytes() for p in out.glob("data/*.js")}
    assert build_bare(model, TEXTS, out).new == 0
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.glob("data/texts/*/*")}
    assert scripts == {p: p.read_bytes() for p in out.glob("data/*.js")}
    changed = [*TEXTS[1:], "a new dog", TEXTS[1]]
    summary = build_bare(model, changed, out)
    assert (summary.total, summary.explained, summary.new) == (10, 10, 1)
    assert len(list(out.glob("data/texts/*/*"))) == 9
    next(iter(out.glob("data/texts/*/*"))).write_bytes(b"cut")
    assert build_bare(model, changed, out).new == 1
    assert build_bare(model, changed, out, layers=[0]).new == 9
    other = classifier()
    other.classifier.bias.data += 1
    assert build_bare((other, words), changed, out, layers=[0]).new == 9


def test_a_run_that_was_cut_off_goes_on(words, tmp_path, monkeypatch):
    from interpviz.report.texts.results import Results

    model, whole, kept = (classifier(), words), Results.put, []

    def put(self, key, record, view):
        if len(kept) == 4:
            raise KeyboardInterrupt
        kept.append(key)
        whole(self, key, record, view)

    monkeypatch.setattr(Results, "put", put)
    with pytest.raises(KeyboardInterrupt):
        build_bare(model, TEXTS, tmp_path / "out", batch_size=2)
    monkeypatch.setattr(Results, "put", whole)
    assert build_bare(model, TEXTS, tmp_path / "out", batch_size=2).new == len(TEXTS) - 4
    build_bare(model, TEXTS, tmp_path / "fresh", batch_size=2)
    one, other = Data(tmp_path / "out"), Data(tmp_path / "fresh")
    assert (one.records, one.run, one.index) == (other.records, other.run, other.index)


def test_broken_lines_are_listed_and_stop_nothing(words, tmp_path):
    (tmp_path / "a.txt").write_bytes(
        b"\xef\xbb\xbfa cat\n\n  \nb\xff\n" + b"x" * 1_100_000 + b"\ndog\n"
    )
    lines = [
        '{"text": "a cat", "label": 1}',
        "{",
        "[1]",
        '{"text": 3}',
        '{"text": " "}',
        '{"text": "\\ud800"}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    table = b'Label,TEXT\ngood,"a cat,\nand a dog"\nbad\ngood,""\n' + b"bad,\xff\n"
    (tmp_path / "a.csv").write_bytes(table + f"good,{'x' * 140_000}\nbad,a dog\n".encode())
    (tmp_path / "a.tsv").write_text("text\tlabel\na cat\tgood\n")
    expected = {
        "txt": [("line 4", "not UTF-8"), ("line 5", "more than 1,000,000 bytes in one line")],
        "jsonl": [("line 2", "no JSON"), ("line 3", "no text"), ("line 4", "no text"),
                  ("line 5", "empty"), ("line 6", "not UTF-8")],
        "csv": [("line 4", "no text"), ("line 5", "empty"), ("line 6", "not UTF-8"),
                ("line 7", "broken")],
        "tsv": [],
    }  # fmt: skip
    texts = {
        "txt": ["a cat", "dog"],
        "jsonl": ["a cat"],
        "csv": ["a cat,\nand a dog", "a dog"],
        "tsv": ["a cat"],
    }
    for suffix, reasons in expected.items():
        out = tmp_path / suffix
        summary = build_bare((classifier(), words), tmp_path / f"a.{suffix}", out)
        assert [one[0] for one in summary.failures] == [one[0] for one in reasons]
        for (_, told), (_, reason) in zip(summary.failures, reasons, strict=True):
            assert reason in told
        assert [r["text"] for r in Data(out).records if "text" in r] == texts[suffix]
        assert summary.explained + len(reasons) == summary.total


def test_one_text_that_the_model_refuses_stops_no_other(words, tmp_path):
    model, inner = classifier(), tokenizer(tmp_path / "own")
    beyond = inner.convert_tokens_to_ids("blue")
    model.bert.embeddings.word_embeddings.weight.data[beyond] = float("nan")
    texts = [*TEXTS[:2], "blue", *TEXTS[3:6]]
    summary = build_bare((model, inner), texts, tmp_path / "out", batch_size=6)
    assert (summary.explained, len(summary.failures)) == (5, 1)
    assert summary.failures[0][0] == "text 2"
    # The next run asks again, since another machine may do it.
    assert build_bare((model, inner), texts, tmp_path / "out").failures == summary.failures
    with pytest.raises(InterpvizError, match=r"NaN|finite"):
        build_bare((model, inner), ["blue", "blue cat"], tmp_path / "none")


def test_memory_does_not_grow_with_the_number_of_texts(words, tmp_path, monkeypatch):
    import weakref

    from interpviz.report.texts import running

    alive, most = weakref.WeakSet(), []
    inner = running.Encoder.__call__

    class Held(running.Encoded):
        __hash__ = object.__hash__

    def counted(self, text):
        found = inner(self, text)
        held = Held(found.inputs, found.special, found.tokens, found.total)
        alive.add(held)
        most[-1] = max(most[-1], len(alive))
        return held

    monkeypatch.setattr(running.Encoder, "__call__", counted)
    model = reader()
    for count in (40, 160):
        most.append(0)
        texts = [f"the cat {'and a dog ' * (n % 5)} {n}" + " ." * (n // 40) for n in range(count)]
        build_bare((model, words), texts, tmp_path / str(count), batch_size=4)
    assert max(most) <= 4 * 4 + 4


def test_the_model_is_left_as_it_was(words, tmp_path):
    model = classifier().train()
    state = torch.get_rng_state()
    build_bare((model, words), TEXTS, tmp_path / "out")
    assert model.training
    assert model.config._attn_implementation == classifier().config._attn_implementation
    assert not any(m._forward_hooks for m in model.modules())
    assert torch.equal(state, torch.get_rng_state())


def test_a_saved_classifier_keeps_its_head(words, tmp_path):
    spec = saved(classifier(), words, tmp_path / "model")
    build_bare(spec, TEXTS, tmp_path / "out", device="cpu")
    data = Data(tmp_path / "out")
    assert (data.run["does"], data.run["classes"]) == ("classifies", 3)
    build_bare((classifier(), words), TEXTS, tmp_path / "other")
    assert data.records[0]["top"] == Data(tmp_path / "other").records[0]["top"]


def test_reports_of_images_and_of_texts_stay_apart(net, photos, words, tmp_path):
    build(net, photos(3), tmp_path / "images-out", site=False)
    with pytest.raises(InputError, match="holds a report of images"):
        build_bare((classifier(), words), TEXTS, tmp_path / "images-out")
    build_bare((classifier(), words), TEXTS, tmp_path / "texts-out")
    with pytest.raises(InputError, match="holds a report of texts"):
        build(net, photos(3), tmp_path / "texts-out", site=False)


def test_what_cannot_start_says_why(words, tmp_path):
    model, out = (classifier(), words), tmp_path / "out"
    (tmp_path / "a.csv").write_text("words,label\na,b\n")
    (tmp_path / "empty.txt").write_text("\n \n")
    cases = [
        ((model, tmp_path / "nowhere.txt", out), {}, "There is no file"),
        ((model, tmp_path / "a.csv", out), {}, "no column 'text', but words, label"),
        ((model, tmp_path / "empty.txt", out), {}, "There are no texts"),
        ((model, 3, out), {}, "holds no texts"),
        ((model, TEXTS, out), {"max_tokens": 1}, "max_tokens is 1"),
        ((model, TEXTS, out), {"layers": []}, "layers is"),
        ((model, TEXTS, out), {"batch_size": 0}, "batch_size is 0"),
        ((model, TEXTS, out), {"categories": ["a"]}, "1 class names"),
        ((model, TEXTS, "memory://out"), {}, "is an address"),
        ((model, "s3://texts.txt", out), {}, "is an address"),
        ((classifier(), TEXTS, out), {}, "has no tokenizer"),
    ]
    for given, options, reason in cases:
        with pytest.raises(InputError, match=reason):
            build_bare(*given, **options)
    with pytest.raises(LayerError, match="no layer 9"):
        build_bare(model, TEXTS, out, layers=[9])
    assert not out.exists()
    assert TextOptions(layers=["a"]).layers == ("a",)


def test_rows_are_read_anew_each_time(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    rows = find_rows(tmp_path / "a.txt")
    assert [row.text for row in rows()] == [row.text for row in rows()] == ["one", "two"]
