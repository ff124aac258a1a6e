"""`nox -s loop`: the whole loop on this machine, from the data to a rollback, under live traffic."""

from __future__ import annotations

import argparse
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from mlops.operations.loop import ground as places
from mlops.operations.loop import terminal, warden
from mlops.operations.loop.acts import ACTS, Script
from mlops.operations.loop.ground import Ground, Person
from mlops.operations.loop.opening import announce, committer, options_of, stage_of
from mlops.operations.loop.stage import ActFailed, Stage, now
from mlops.operations.loop.story import Act, Story
from mlops.operations.loop.terminal import Telling
from mlops.operations.pages.loop import loop_page
from mlops.operations.pages.timeline import timeline
from mlops.quality.errors import UserError, run_main
from mlops.quality.project import ROOT
from mlops.quality.tables import replace_text
from mlops.quality.terminal import console
from mlops.training.pipeline.process import termination_interrupts

PAGE, LOGS = "loop.html", "failed"
_MOMENTS = 400


def main(arguments: list[str]) -> int:
    """Play the loop; 0 where everything happened as it should, 1 where an act failed."""
    options = options_of(arguments)
    out = console()
    if options.end:
        return end(ROOT, out)
    by = committer(options.approver)
    approver = places.person(options.approver) if options.approver else by
    for each in places.abandoned(ROOT):
        out.print(f"an earlier loop was cut off: {each} is cleared up", markup=False)
        warden.clear(each)
    # from here on whatever ends the loop ends what it started
    with termination_interrupts():
        return _played(by, approver, options, out)


def _played(by: Person, approver: Person, options: argparse.Namespace, out: Console) -> int:
    """Play on a ground of its own, which is cleared up whatever comes."""
    ground, guard, keep, failed = None, None, False, True
    try:
        ground = places.prepare(ROOT, by)
        guard = warden.post(ground.folder, ROOT)
        stage = stage_of(ground, by, approver, options, out)
        announce(out, stage)
        code = play(stage, out)
        keep, failed = options.keep, code != 0
        return code
    except KeyboardInterrupt:
        failed = False
        out.print("stopped: what the loop had started is ended")
        return 130
    finally:
        with _undisturbed():
            if ground is not None:
                _clear(ground, out, keep=keep, failed=failed)
            if guard is not None:
                warden.dismiss(guard, keep=keep)


def play(stage: Stage, out: Console, acts: tuple[Script, ...] = ACTS) -> int:
    """Play the acts one after the other, and tell at the end what the records show."""
    began = now()
    telling = Telling(out, began)
    stage.say = telling.says
    played: list[Act] = []
    for number, script in enumerate(acts, start=1):
        stage.act, start = f"{number:02}-{script.name}", now()
        telling.begins(script.title)
        try:
            why, outcome = script.play(stage), "done"
        except (ActFailed, UserError) as error:
            why, outcome = str(error), "failed"
        except Exception as error:  # noqa: BLE001 - what was played until here is told all the same
            why, outcome = f"{type(error).__name__}: {error}", "failed"
        finally:
            telling.stop()
        done = outcome == "done"
        played.append(
            Act(script.name, script.title, start, now(), "done" if done else "failed", why)
        )
        telling.ends(played[-1])
        if not done:
            break
    stage.end_load()
    story = _story(stage, tuple(played))
    terminal.show(out, story)
    page = places.place(ROOT) / PAGE
    replace_text(page, loop_page(story))
    out.print(f"page     {page}", markup=False)
    if story.failed:
        what = f"{story.failed.title}: {story.failed.why}"
        out.print(f"[bold red]the loop failed[/] in act {len(played)} of {len(acts)}: ", end="")
        out.print(what, markup=False)
    return int(story.failed is not None)


def end(root: Path, out: Console) -> int:
    """End the stacks that `--keep` left up, and remove their folders."""
    found = [each for each in places.folders(root) if (each / places.KEPT).exists()]
    for each in [*found, *places.abandoned(root)]:
        left = warden.clear(each)
        out.print(f"{each}: ended and removed" + (f", but {left}" if left else ""), markup=False)
    if not found:
        out.print("no loop was kept")
    return 0


def _story(stage: Stage, acts: tuple[Act, ...]) -> Story:
    stage.look()
    moments = timeline(stage.ground.state, _MOMENTS)[::-1]
    return Story(
        stage.project.settings.name,
        stage.ground.commit,
        acts,
        stage.answers(),
        tuple(stage.figures),
        moments,
        stage.shift if any(each.name == "shift" for each in acts) else None,
        str(stage.approver),
    )


def _clear(ground: Ground, out: Console, *, keep: bool, failed: bool) -> None:
    """End everything and remove the folder, or keep it; the logs of a failed play stay."""
    if keep and ground.folder.is_dir():
        replace_text(ground.folder / places.KEPT, "")
        out.print(f"kept     {ground.project}", markup=False)
        out.print("         look: cd there, nox -s status; end it: nox -s loop -- --end")
        return
    if failed and any(ground.logs.glob("*.log")):
        target = places.place(ROOT) / LOGS
        shutil.rmtree(target, ignore_errors=True)
        with suppress(OSError):
            shutil.copytree(ground.logs, target)
            out.print(f"logs     {target}", markup=False)
    for left in warden.clear(ground.folder):
        out.print(f"could not be ended: {left}", markup=False)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Clear up whatever signal comes meanwhile: a second Ctrl-C must leave nothing behind either."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    run_main(main)
