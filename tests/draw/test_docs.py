"""The code of docs/draw.md runs, as one program from top to bottom."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "draw.md"


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) == 5
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"tutorial.svg", "resnet18.svg", "resnet18.html", "blocks.svg", "exact.svg", "walk.html",
                    "health.html"}  # fmt: skip
    assert "PowBackward0" in capsys.readouterr().out
