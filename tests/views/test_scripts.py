"""The scripts of the views: their types, their style, and that stripping leaves them whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from interpviz.render.views.page import SCRIPTS, as_json, runtime, script, style
from interpviz.render.views.stripping import stripped_script, stripped_style

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "interpviz" / "render" / "views" / "js"


@pytest.fixture(scope="module")
def npm():
    program = shutil.which("npm")
    if program is None:
        pytest.skip("no npm on this machine")
    if not (HERE / "node_modules" / "eslint").is_dir():
        install = [program, "install", "--no-package-lock", "--no-audit", "--no-fund"]
        done = subprocess.run(install, cwd=HERE, capture_output=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip("npm could not install the checkers: is a registry in reach?")
    return program


@pytest.mark.parametrize("check", ["types", "lint"])
def test_checkers_find_nothing(npm, check):
    command = [npm, "run", "--silent", check]
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_source_ships():
    assert sorted(SCRIPTS) == sorted(path.stem for path in SOURCES.glob("*.js"))


def test_the_script_is_small_and_can_stand_in_html():
    text, digest = script()
    # The style sheet that the script carries is no script.
    assert len(runtime().encode()) - len(style().encode()) < 40_000
    assert "</script" not in text.lower()
    assert "<!--" not in text
    assert digest in text
    assert "import " not in text
    assert runtime() == runtime()


def test_stripping_keeps_texts_and_drops_comments():
    source = """
    /** A sum.
     * @param {number} a */
    const sum = (a, b) => {  // why
      const told = "a // b  /* c */ = d";
      if (a) { b; }
      const [c] = [b].map((one) => one % 2);
      return a + b - -1 + told.length + `x  ${ a } ; }`.length;
    };
    """
    assert stripped_script(source) == (
        'let sum=(a,b)=>{let told="a // b  /* c */ = d";if(a){b}let[c]=[b].map(one=>one%2);'
        "return a+b - -1+told.length+`x  ${ a } ; }`.length};"
    )


def test_stripped_scripts_mean_the_same():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    parts = ["dom", "codec", "colours"]
    whole = "\n".join((SOURCES / f"{name}.js").read_text(encoding="utf-8") for name in parts)
    asked = """
    console.log(JSON.stringify([[0, 0.0004, 0.0123, 0.5].map(digits), [...weightsOf(0.5)],
      [...unpacked(Uint8Array.of(1, 2, 3, 4, 5), [2, 3], 1)],
      [0, 1e-5, 0.01, 1].map((weight) => share(weight, 1, true))]));
    """
    said = [
        subprocess.run(
            [node, "-e", text + asked], capture_output=True, text=True, check=True
        ).stdout
        for text in (whole, stripped_script(whole))
    ]
    assert said[0] == said[1] != ""


def test_styles_lose_only_blanks():
    style = "/* a */\n.view b,\n.c > i {\n  margin: 0 1px;\n  color: red;\n}\n"
    assert stripped_style(style) == ".view b,.c>i{margin:0 1px;color:red}"


def test_json_cannot_leave_its_element():
    text = as_json({"token": "</script><!-- \u2028 &amp; é"})
    assert not set("<>&\u2028é") & set(text)
