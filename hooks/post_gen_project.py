"""Leave out what the answers did not ask for, then say what to do next."""

import shlex
import shutil
import sys
from pathlib import Path

LEVEL = int("<< cookiecutter.maturity_level >>")

# What a maturity level brings; a project below that level is without these paths.
BROUGHT_BY_LEVEL = {
    2: [
        "mlops/training",
        "pipelines",
        "MLproject",
        "requirements/Dockerfile",
        "requirements/training.in",
        "requirements/training.lock",
        ".github/workflows/train.yml",
    ],
}


def remove(paths: list[Path]) -> None:
    """Delete files and folders; a path that is not there means that the table above is wrong."""
    missing = [path.as_posix() for path in paths if not path.exists()]
    if missing:
        sys.exit(f"error: hooks/post_gen_project.py: no such path: {', '.join(missing)}")
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


remove([Path(path) for n, paths in BROUGHT_BY_LEVEL.items() if n > LEVEL for path in paths])
print(f"Ready, at maturity level {LEVEL}. Next:")
print(f"  cd {shlex.quote(str(Path.cwd()))}")
print('  git init -b main && git add --all && git commit -m "Generate the project"')
print("  nox")
