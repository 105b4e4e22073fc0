"""Tokens as a reader wants to see them."""

from __future__ import annotations

import re
from collections.abc import Sequence

SPACE = "␣"
NEWLINE = "↵"
TAB = "⇥"

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_VISIBLE = str.maketrans({"\n": NEWLINE, "\r": NEWLINE, "\t": TAB})


def _byte_alphabet() -> dict[str, int]:
    """The byte behind each character of a byte-level vocabulary.

    Bytes that print as themselves in Latin-1 keep their character; the others are numbered on from
    code point 256, so that no token holds a space or a control character.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)}
    printable |= set(range(ord("®"), ord("ÿ") + 1))
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet.update({chr(256 + place): byte for place, byte in enumerate(others)})
    return alphabet


_BYTES = _byte_alphabet()


def clean_tokens(tokens: Sequence[str]) -> list[str]:
    r"""Show tokens as text, without the marks of their tokenizer.

    The marks of WordPiece (`##`), byte-level BPE (`Ġ`, `Ċ`, and letters outside of ASCII, which
    are decoded), SentencePiece (`▁`, `<0x0A>`) and BPE with word ends (`</w>`) are removed. Which
    of them is at work is judged from all tokens together, so that a `##` heading in the text of
    a GPT is left as it is. Bytes that are only a part of a character are shown as `\xe2`. White
    space that would be invisible is shown: a token of spaces as `␣`, a line break as `↵`, a tab as
    `⇥`.

    Args:
        tokens: Tokens as a tokenizer's `convert_ids_to_tokens` gives them.

    Returns:
        As many strings, none of them empty unless the token was.
    """
    tokens = [str(token) for token in tokens]
    if any("Ġ" in token or "Ċ" in token or token.endswith("</w>") for token in tokens):
        clean = _decode_bytes
    elif any(token.startswith("▁") for token in tokens):
        clean = _clean_piece
    else:
        clean = _clean_wordpiece
    return [_show_space(clean(token)) if token else token for token in tokens]


def _decode_bytes(token: str) -> str:
    token = token.removesuffix("</w>")
    if not all(character in _BYTES for character in token):
        return token
    return bytes(_BYTES[character] for character in token).decode("utf-8", "backslashreplace")


def _clean_piece(token: str) -> str:
    byte = _BYTE_TOKEN.fullmatch(token)
    if byte:
        return bytes([int(byte[1], 16)]).decode("utf-8", "backslashreplace")
    # Special tokens keep the mark, which is a letter of their name.
    return token if token.startswith("<") and token.endswith(">") else token.replace("▁", " ")


def _clean_wordpiece(token: str) -> str:
    return token[2:] if token.startswith("##") and len(token) > 2 else token


def _show_space(text: str) -> str:
    shown = text.translate(_VISIBLE).strip(" ")
    return shown or SPACE


def literal(text: str) -> str:
    """Keep matplotlib from reading mathematics into a text.

    For texts that cannot be given `parse_math=False`, such as those of tick formatters.

    Args:
        text: Any text, for example a token `$x$`.
    """
    # Matplotlib undoes this escape only in a text without any dollar sign left unescaped.
    return text.replace("$", r"\$")
