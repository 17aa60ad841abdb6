# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

"""Installs the other programs, for `compare.py --install FOLDER`, with any Python of 3.11 or later.

The Python packages of requirements.txt go into a virtual environment in FOLDER, the others are packages of Debian and
Ubuntu. What fails to install is named and ends nothing: compare.py reports those programs as left out.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent


def done(*command):
    print("+", *command, flush=True)
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0
    except OSError as error:
        print(error)
        return False


def main(arguments):
    if len(arguments) != 1:
        raise SystemExit("Usage: compare.py --install FOLDER")
    if sys.version_info < (3, 11):
        raise SystemExit(f"Python is {sys.version.split()[0]}; the programs need 3.11 or later.")
    folder, failed = Path(arguments[0]), []
    if not (folder / "bin/python").exists():
        venv.create(folder, with_pip=True)
    # One by one: a program without a build for this system keeps none of the others away.
    for requirement in (HERE / "requirements.txt").read_text().split():
        if not done(str(folder / "bin/python"), "-m", "pip", "install", "--quiet", requirement):
            failed.append(requirement)

    packages = {"g++": shutil.which("g++"), "libarmadillo-dev": Path("/usr/include/armadillo").exists(),
                "r-cran-mclust": has_mclust(), "default-jre-headless": shutil.which("java")}
    wanted = [package for package, there in packages.items() if not there]
    root = [] if os.geteuid() == 0 else ["sudo"]
    if wanted and not (done(*root, "apt-get", "update") and done(*root, "apt-get", "install", "--yes", *wanted)):
        failed += wanted
    print(f"Not installed: {', '.join(failed)}" if failed else "All are installed.")
    print(f"{folder / 'bin/python'} {HERE / 'compare.py'} runs them.")
    return 1 if failed else 0


def has_mclust():
    if not shutil.which("Rscript"):
        return False
    test = ["Rscript", "--vanilla", "-e", "packageVersion('mclust')"]
    return subprocess.run(test, capture_output=True).returncode == 0
