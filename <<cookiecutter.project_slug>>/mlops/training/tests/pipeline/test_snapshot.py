"""What a step's copy of its code holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.training.pipeline.ignore import can_skip, is_ignored, read_patterns
from mlops.training.pipeline.snapshot import code_files, step_files

# pattern lines, what they leave out, what they keep
IGNORED = {
    "name at any depth": ("notes.txt", ["notes.txt", "a/notes.txt"], ["notes.txt.bak"]),
    "folder at any depth": ("data/", ["data/x", "a/data/y/z"], ["data", "mydata/x"]),
    "anchored folder": ("/data", ["data/x", "data"], ["a/data/x"]),
    "path with a slash is anchored": ("a/b", ["a/b", "a/b/c"], ["x/a/b"]),
    "star": ("*.csv", ["x.csv", "a/b/x.csv"], ["x.csv.gz"]),
    "star stays in its folder": ("/a/*.py", ["a/x.py"], ["a/b/x.py"]),
    "question mark": ("a?.txt", ["ab.txt"], ["a.txt", "abc.txt"]),
    "class": ("[ab].txt", ["a.txt"], ["c.txt"]),
    "negated class": ("[!ab].txt", ["c.txt"], ["a.txt"]),
    "double star before": ("**/tests", ["tests/x", "a/b/tests/x"], ["tests2"]),
    "double star within": ("a/**/z", ["a/z", "a/b/c/z"], ["b/a/z"]),
    "double star after": ("a/**", ["a/x", "a/b/c"], ["a"]),
    "negation": ("*.txt\n!keep.txt", ["a.txt"], ["keep.txt", "a/keep.txt"]),
    "the last match decides": ("!a.txt\n*.txt", ["a.txt"], []),
    "only what is named": ("/*\n!/model\n!/a/b", ["x", "data/y"], ["model/z", "a/b/c"]),
    "comments and blank lines": ("# x\n\n  \nx # y", [], ["x", "# x"]),
    "escaped": ("\\#x\n\\!y", ["#x", "!y"], ["x", "y"]),
}


@pytest.mark.parametrize(("lines", "left_out", "kept"), IGNORED.values(), ids=IGNORED)
def test_an_ignore_file(tmp_path: Path, lines: str, left_out: list[str], kept: list[str]) -> None:
    (tmp_path / ".amlignore").write_text(lines, encoding="utf-8")
    patterns = read_patterns(tmp_path)
    assert [name for name in left_out if not is_ignored(name, patterns)] == []
    assert [name for name in kept if is_ignored(name, patterns)] == []


def test_a_folder_is_skipped_unless_a_part_of_it_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("nothing", encoding="utf-8")
    (tmp_path / ".amlignore").write_text("/*\n!/a/b/*.txt\n!/c", encoding="utf-8")
    patterns = read_patterns(tmp_path)
    assert [can_skip(name, patterns) for name in ("x/", "a/", "a/b/", "a/c/", "c/")] == [
        True,
        False,
        False,
        True,
        False,
    ]


FILES = {
    "pkg/__init__.py": "",
    "pkg/main.py": "import pkg.direct\nfrom pkg import named, attribute\nfrom .sub import thing\n",
    "pkg/direct.py": "def f():\n    from other import late\n",
    "pkg/named.py": "import missing, json\n",
    "pkg/sub/__init__.py": "from . import inner\n",
    "pkg/sub/inner.py": "from .. import up\nfrom ..twin import x as y\n",
    "pkg/up.py": "",
    "pkg/twin.py": "broken syntax here\n",
    "pkg/idle.py": "",
    "pkg/__main__.py": "from pkg import main\n",
    "other/late.py": "",
    "tool.py": "import lib\n",
    "lib.py": "",
    "scripts/tool.py": "import near\nimport lib\n",
    "scripts/near.py": "",
    "data/rows.csv": "1",
    "__pycache__/x.pyc": "",
    ".git/HEAD": "",
    "store/steps/x": "",
}
PACKAGE = [
    "other/late.py",
    "pkg/__init__.py",
    "pkg/direct.py",
    "pkg/main.py",
    "pkg/named.py",
    "pkg/sub/__init__.py",
    "pkg/sub/inner.py",
    "pkg/twin.py",
    "pkg/up.py",
]
COPIES = {
    "module": ("python -m pkg.main x", PACKAGE),
    "package": ("python -m pkg", sorted([*PACKAGE, "pkg/__main__.py"])),
    "script": ("python tool.py", ["lib.py", "tool.py"]),
    "script in a folder": ("python ./scripts/tool.py", ["scripts/near.py", "scripts/tool.py"]),
    "module from elsewhere": ("python -m json.tool", None),
    "another program": ("make", None),
}


@pytest.mark.parametrize(("command", "expected"), COPIES.values(), ids=COPIES)
def test_a_step_gets_what_its_module_imports(
    tmp_path: Path, command: str, expected: list[str] | None
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    store = tmp_path / "store"
    code_files.cache_clear()
    found = step_files(tmp_path, store, command.split())
    assert "data/rows.csv" in found
    if expected is None:
        assert found == code_files(tmp_path, store)
        assert not [name for name in found if name.startswith(("store", ".git", "__pycache__"))]
    else:
        assert [name for name in found if name.endswith(".py")] == expected
