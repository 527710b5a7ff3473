"""``elbo check --watch``: every save is checked again, and nothing else is."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest

from elbo.checking import _watch
from elbo.checking._command import check_command

RIGHT = "def kl(mu, logvar):\n    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()\n"
WRONG = RIGHT.replace("0.5", "1.5")
BROKEN = RIGHT.replace("(mu, logvar)", "(mu, logvar")


@pytest.fixture
def watched(monkeypatch):
    """Run ``--watch`` on a reference; the steps happen in turn between two looks at the files, then Ctrl-C."""

    def run(reference, *steps):
        left = list(steps)

        def sleep(seconds):
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        monkeypatch.setattr(_watch.time, "sleep", sleep)
        out = io.StringIO()
        status = check_command([reference], "gaussian_kl", watch=True, out=out)
        verdicts = [line.rpartition(": ")[2] for line in out.getvalue().splitlines() if "against gaussian_kl" in line]
        return status, verdicts

    return run


def save(path, text):
    def now():
        path.write_text(text)
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + save.count))
        save.count += 1

    return now


save.count = 1  # two saves within the clock's resolution are told apart


def test_each_save_is_checked_once(tmp_path, watched):
    path = tmp_path / "loss.py"
    path.write_text(RIGHT)
    status, verdicts = watched(f"{path}:kl", list, save(path, WRONG), list, save(path, RIGHT), list, list)
    assert verdicts == ["CORRECT", "WRONG", "CORRECT"]
    assert status == 0


def test_the_status_is_that_of_the_last_check(tmp_path, watched):
    path = tmp_path / "loss.py"
    path.write_text(RIGHT)
    assert watched(f"{path}:kl", save(path, WRONG)) == (1, ["CORRECT", "WRONG"])


def test_a_broken_or_missing_file_is_said_and_waited_for(tmp_path, watched, capsys):
    path = tmp_path / "loss.py"
    path.write_text(BROKEN)
    status, verdicts = watched(f"{path}:kl", path.unlink, save(path, RIGHT))
    said = capsys.readouterr().err
    assert "syntax error in line 1" in said
    assert "there is no file" in said
    assert (status, verdicts) == (0, ["CORRECT"])


def test_a_module_that_the_file_imports_is_watched_too(tmp_path, watched):
    helper = tmp_path / "helper_of_watched_loss.py"
    helper.write_text(RIGHT)
    path = tmp_path / "loss.py"
    path.write_text("from helper_of_watched_loss import kl\n")
    before = sys.dont_write_bytecode
    assert watched(f"{path}:kl", list, save(helper, WRONG), list) == (1, ["CORRECT", "WRONG"])
    assert sys.dont_write_bytecode is before


def test_a_module_named_by_its_name_is_loaded_again(tmp_path, watched, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "watched_by_name.py"
    path.write_text(RIGHT)
    assert watched("watched_by_name:kl", list, save(path, WRONG), list) == (1, ["CORRECT", "WRONG"])


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_the_command_runs_until_interrupted(tmp_path):
    path, log = tmp_path / "loss.py", tmp_path / "out.txt"
    path.write_text(RIGHT)
    command = [sys.executable, "-m", "elbo", "check", f"{path}:kl", "--against", "gaussian_kl", "--watch"]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            wait_for(log, "watching", 1, process)
            path.write_text(WRONG)
            wait_for(log, "watching", 2, process)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 1
        finally:
            process.kill()
    text = log.read_text()
    assert text.index("CORRECT") < text.index("WRONG")
    assert "Traceback" not in text


def wait_for(log, words, times, process):
    until = time.monotonic() + 40
    while log.read_text().count(words) < times:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
