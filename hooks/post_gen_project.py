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
    3: [
        ".github/workflows/deploy.yml",
        "mlops/deployment",
        "environments",
        "pipelines/batch.yml",
        "pipelines/qualify.yml",
        "pipelines/components/behaviour.yml",
        "pipelines/components/compile.yml",
        "pipelines/components/decide.yml",
        "pipelines/components/package.yml",
        "pipelines/components/performance.yml",
        "pipelines/components/record.yml",
        "pipelines/components/score.yml",
        "pipelines/components/score_table.yml",
        "pipelines/components/speed.yml",
        "pipelines/components/verify.yml",
        "requirements/deployment.in",
        "requirements/deployment.lock",
        "tests/model/conftest.py",
        "tests/model/golden.csv",
        "tests/model/properties.yml",
        "tests/model/relations.yml",
        "tests/model/test_golden.py",
        "tests/model/test_properties.py",
        "tests/model/test_relations.py",
    ],
    4: [
        ".github/workflows/monitor.yml",
        ".github/workflows/retrain.yml",
        "mlops/operations",
        "dashboards",
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


above = [paths for n, paths in sorted(BROUGHT_BY_LEVEL.items(), reverse=True) if n > LEVEL]
remove([Path(path) for paths in above for path in paths])
print(f"Ready, at maturity level {LEVEL}. Next:")
print(f"  cd {shlex.quote(str(Path.cwd()))}")
print('  git init -b main && git add --all && git commit -m "Generate the project"')
print("  nox")
