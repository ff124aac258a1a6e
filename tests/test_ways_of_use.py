"""Each way to call cookiecutter, with the oldest and the newest release that is promised."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import commit
from tests.test_generation import files_in

OLDEST = "2.6.0"


@pytest.fixture(scope="session", params=["oldest", "newest"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with that release of cookiecutter."""
    if request.param == "newest":
        return Path(sys.executable)
    environment = tmp_path_factory.mktemp("oldest")
    there = environment / "bin" / "python"
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    wanted = f"cookiecutter=={OLDEST}"
    if uv:
        make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)]
        install = [uv, "pip", "install", "--quiet", "--python", str(there), wanted]
    else:
        make = [sys.executable, "-m", "venv", str(environment)]
        install = [str(there), "-m", "pip", "install", "--quiet", wanted]
    subprocess.run(make, check=True)
    subprocess.run(install, check=True)
    return there


@pytest.fixture(scope="session")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare Git repository with the template in it, tagged with a version."""
    work = tmp_path_factory.mktemp("repository") / "mlops-template"
    shutil.copytree(template, work)
    commit(work, "A template")
    subprocess.run(["git", "tag", "v1"], cwd=work, check=True)
    bare = work.with_suffix(".git")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(work), str(bare)], check=True)
    return bare


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for cookiecutter's clones and replays, where settings can be added."""
    home = tmp_path / "home"
    home.mkdir()
    write_settings(home / "config.json", home)
    monkeypatch.setenv("COOKIECUTTER_CONFIG", str(home / "config.json"))
    return home


def write_settings(path: Path, home: Path, **answers: str) -> Path:
    places = {"cookiecutters_dir": str(home / "clones"), "replay_dir": str(home / "replay")}
    path.write_text(json.dumps({**places, "default_context": answers}))
    return path


def generate(python: Path, folder: Path, *words: str, typed: str | None = None) -> Path:
    """Call cookiecutter's command in `folder`; the one project that it made there."""
    folder.mkdir()
    done = subprocess.run(
        [str(python), "-m", "cookiecutter", *words],
        cwd=folder,
        input=typed or "",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.iterdir()
    return made


def recorded(project: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((project / ".template.json").read_text())
    return found


def test_the_release_is_the_promised_one(python: Path) -> None:
    code = "import importlib.metadata as m; print(m.version('cookiecutter'))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == OLDEST or python == Path(sys.executable)


@pytest.mark.usefixtures("home")
def test_a_local_path_without_questions(python: Path, template: Path, tmp_path: Path) -> None:
    project = generate(python, tmp_path / "new", str(template), "--no-input")
    assert project.name == "disease-progression"
    assert recorded(project)["template"] == ""


@pytest.mark.usefixtures("home")
def test_answers_typed_one_by_one(python: Path, template: Path, tmp_path: Path) -> None:
    typed = "Churn\n\nshop\n4\n3\n"
    project = generate(python, tmp_path / "new", str(template), typed=typed)
    assert recorded(project)["answers"] == {
        "project_name": "Churn",
        "project_slug": "churn",
        "owner": "shop",
        "maturity_level": "1",
        "licence": "BSD-3-Clause",
        "cloud": "none",
    }


@pytest.mark.usefixtures("home")
def test_a_replay_makes_the_same_project(python: Path, template: Path, tmp_path: Path) -> None:
    answers = ["project_name=Churn in May", "owner=shop", "maturity_level=1"]
    once = generate(python, tmp_path / "once", str(template), "--no-input", *answers)
    again = generate(python, tmp_path / "again", str(template), "--replay")
    assert again.name == once.name == "churn-in-may"
    assert files_in(again) == files_in(once)
    for name in files_in(once):
        assert (again / name).read_bytes() == (once / name).read_bytes()


def test_a_configuration_file(python: Path, template: Path, home: Path, tmp_path: Path) -> None:
    settings = write_settings(tmp_path / "mine.json", home, owner="shop", licence="Apache-2.0")
    words = ["--no-input", "--config-file", str(settings)]
    project = generate(python, tmp_path / "new", str(template), *words)
    assert "Apache License" in (project / "LICENSE").read_text()
    assert "shop" in (project / "project.yml").read_text()


@pytest.mark.usefixtures("home")
def test_a_git_url_and_a_tag(python: Path, repository: Path, tmp_path: Path) -> None:
    words = [repository.as_uri(), "--checkout", "v1", "--no-input"]
    project = generate(python, tmp_path / "new", *words)
    assert recorded(project)["template"] == ""


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("source", "is_recorded"),
    [
        ("gh:org/mlops-template", True),
        ("https://example.org/org/mlops-template.git", True),
        ("git@example.org:org/mlops-template.git", True),
        ("https://me:secret@example.org/org/mlops-template.git", False),
    ],
)
def test_a_public_source_is_recorded_and_a_secret_one_is_not(
    python: Path,
    stands_for_any_address: None,
    tmp_path: Path,
    source: str,
    is_recorded: bool,
) -> None:
    project = generate(python, tmp_path / "new", source, "--no-input")
    assert recorded(project)["template"] == (source if is_recorded else "")


@pytest.fixture
def stands_for_any_address(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git takes the bare repository for these addresses, so that no network is needed."""
    addresses = ["https://github.com/", "https://example.org/", "git@example.org:"]
    addresses.append("https://me:secret@example.org/")
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(addresses)))
    for number, address in enumerate(addresses):
        wanted = f"url.{repository.as_uri()}.insteadOf"
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", wanted)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", f"{address}org/mlops-template.git")


@pytest.mark.usefixtures("home")
def test_a_zip(python: Path, repository: Path, tmp_path: Path) -> None:
    archive = tmp_path / "mlops-template.zip"
    command = ["git", "archive", "--format=zip", "--prefix=mlops-template/", "-o", str(archive)]
    subprocess.run([*command, "main"], cwd=repository, check=True)
    project = generate(python, tmp_path / "new", str(archive), "--no-input")
    assert recorded(project)["template"] == ""
    assert (project / "mlops" / "quality" / "machinery.json").exists()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("slug", ["a/b", "..", "", "a" * 300, "class"])
def test_a_refused_slug_leaves_nothing_behind(
    python: Path, template: Path, tmp_path: Path, slug: str
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    command = [str(python), "-m", "cookiecutter", str(template), "--no-input", "-f"]
    done = subprocess.run(
        [*command, f"project_slug={slug}"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: project_slug: ")
    assert list(folder.iterdir()) == []
    # A replay of the refused answers is refused as well.
    command = [str(python), "-m", "cookiecutter", str(template), "--replay"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("error: project_slug: ")
    assert list(folder.iterdir()) == []
