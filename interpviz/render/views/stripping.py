"""Scripts and styles without what only their authors read."""

from __future__ import annotations

import re

# Texts first, so that nothing inside them is taken for a comment.
_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\\n])*`)"""
    r"""|(?P<comment>/\*.*?\*/|(?<![:\\])//[^\n]*)""",
    re.DOTALL,
)
_SIGNS = r"[=<>{}()\[\],;:?&|*!]"
_AROUND = re.compile(rf" *({_SIGNS}) *")
# Where a line ends behind an open expression or a new one closes it, no semicolon can be meant.
_OPEN = re.compile(r"([{(\[,;=:?&|])\n")
_CLOSED = re.compile(r",?\n([})\].?:&|])")
# Blanks stay where two signs could become one, as in `a - -1`.
_REST = re.compile(r"(?<![-+/]) ([-+/%]) (?![-+/])")
_ALONE = re.compile(r"(?<![\w$.])\(([\w$]+)\)=>")


def stripped_script(source: str) -> str:
    """JavaScript without comments and without blanks that mean nothing.

    Texts stay as they are; names and semicolons do too. It takes what the checks of the scripts
    allow: no text over several lines, no template inside a template, no quotation mark and no
    blank in a regular expression, and a semicolon behind each statement.

    Args:
        source: The text of a script.
    """
    texts: list[str] = []

    def kept(match: re.Match[str]) -> str:
        if match["comment"]:
            return " "
        texts.append(match["text"])
        return f"\x00{len(texts) - 1}\x00"

    code = _TOKEN.sub(kept, source)
    code = "\n".join(" ".join(line.split()) for line in code.splitlines() if line.strip())
    code = _AROUND.sub(r"\1", code)
    code = _CLOSED.sub(r"\1", _OPEN.sub(r"\1", code)).replace(";}", "}").replace("}\n", "}")
    code = _ALONE.sub(r"\1=>", _REST.sub(r"\1", code))
    # What is never assigned anew may as well be declared by the shorter word.
    code = re.sub(r"(?<![\w$.])const\b(?=[ {\[])", "let", code)
    return re.sub("\x00(\\d+)\x00", lambda match: texts[int(match[1])], code)


def stripped_style(source: str) -> str:
    """A style sheet without comments and without blanks that mean nothing.

    Args:
        source: The text of a style sheet.
    """
    style = " ".join(re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL).split())
    return re.sub(r" *([{};,>]) *", r"\1", style).replace(": ", ":").replace(";}", "}")
