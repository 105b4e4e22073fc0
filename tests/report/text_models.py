"""Small models of text with a tokenizer of a few words, for the tests of their reports."""

import json
from pathlib import Path

import torch
import transformers as tf

WORDS = "the cat dog sat ran on mat a big small red blue good bad and . , <img onerror=alert(1)>"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}
TEXTS = [
    "the cat sat on the mat .",
    "a dog ran",
    "the big red cat and the small blue dog sat on a mat and ran and ran , good cat , bad dog .",
    "good",
    "bad dog",
    "the dog sat on the cat and the cat sat on the dog",
    "red and blue and red and blue and red",
    "<b onclick=alert(2)> the cat </b>",
    "a small cat sat",
]


def tokenizer(folder: Path, *, special: bool = True):
    vocabulary = [*SPECIAL, *dict.fromkeys(WORDS.split())]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    made = tf.BertTokenizerFast(str(folder / "vocab.txt"))
    if not special:
        from tokenizers.processors import TemplateProcessing

        made.backend_tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B")
    return made


def classifier(**options):
    torch.manual_seed(0)
    names = {0: "bad", 1: "good", 2: "<i>odd</i>"}
    return tf.BertForSequenceClassification(
        tf.BertConfig(**SIZES, id2label=names, **options)
    ).eval()


def reader():
    torch.manual_seed(0)
    return tf.BertModel(tf.BertConfig(**SIZES)).eval()


def writer():
    torch.manual_seed(0)
    config = tf.GPT2Config(
        n_embd=32,
        n_layer=3,
        n_head=4,
        vocab_size=40,
        n_positions=64,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=3,
    )
    return tf.GPT2LMHeadModel(config).eval()


def saved(model, own, folder: Path) -> str:
    model.save_pretrained(folder)
    own.save_pretrained(folder)
    return f"hf:{folder}"


def content(path: Path):
    """What a file of a report's data holds."""
    text = path.read_text("ascii")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])
