# SPDX-License-Identifier: Apache-2.0
"""Other people's clients, unchanged, against our server with the embedded model.

    clients_test.py GEMMA3N CLIENT DIRECTORY

CLIENT.mjs is run by Node with the server's address, the model's directory, a key, which some clients'
servers ask for, and the package, where it is run with several. The packages of
package-lock.json come from npm's registry into DIRECTORY, once. Exit code 77, which is "not run",
where there is no npm.
"""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

WITH_KEY = ("openai", "genai", "live")
PACKAGES = {client: ("@google/genai", "genai3") for client in ("genai", "live")}
NEED_TLS = ("realtime",)  # these open wss:// whatever the address says
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
from service import NANO, Service  # noqa: E402


def install(directory):
    """The pinned packages, unless they are there. Tests that come at one time wait for each other."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package-lock.json").read_bytes()
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = directory / "installed"
        if installed.exists() and installed.read_bytes() == wanted:
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, directory)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                       cwd=directory, check=True)
        installed.write_bytes(wanted)


def packages(client):
    """Its versions that this Node.js runs: @google/genai 3 asks for 22, and was seen to run on 20."""
    version = subprocess.run(["node", "--version"], capture_output=True, check=True).stdout.decode()
    is_old = int(version.lstrip("v").split(".")[0]) < 20
    return [one for one in PACKAGES.get(client, ("",)) if not (is_old and one == "genai3")]


def main(client, directory):
    if shutil.which("npm") is None or shutil.which("node") is None:
        print("no npm: not run")
        return 77
    install(directory)
    script = directory / f"{client}.mjs"  # Node looks for packages beside it
    for name in (script.name, "left.mjs"):
        shutil.copy(HERE / name, directory)
    secure = ("--tls", "--state-directory", directory / "state") if client in NEED_TLS else ()
    management = ("--allow-model-management",) if client == "ollama" else ()
    key = directory / f"key-of-{client}"
    key.write_text("a-key-of-tests\n")
    guarded = ("--api-key-file", key) if client in WITH_KEY else ()
    small = ("--sessions", 1, "--queue", 1) if client == "openai" else ()
    for package in packages(client):
        with Service(*secure, *management, *guarded, *small) as service:
            done = subprocess.run(["node", str(script), service.url, str(NANO), key.read_text().strip(), package],
                                  timeout=300, env={**os.environ, "NODE_NO_WARNINGS": "1", **(
                                      {"NODE_EXTRA_CA_CERTS": service.certificate} if secure else {})})
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))  # program.py has taken the first
