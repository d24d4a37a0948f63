"""Servers to test against: a fake that does what a test says, and the real one."""

import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from cairndb import Client, Reconnect  # noqa: E402

ROOT = HERE.parents[2]
#: A server that does not start or answer in so many seconds does not at all.
DEADLINE = 60

CLOSE, HANG = object(), object()
#: Reconnects without long waits.
QUICK = Reconnect(attempts=3, delay_first=0.001, delay_max=0.002)


class Fake:
    """A server whose n-th connection does the n-th script, a step for each request line, and is then closed. A step
    is bytes to answer with, a tuple (bytes, CLOSE), CLOSE or HANG. ``got`` has (connection, line) pairs."""

    def __init__(self, *scripts, unix_path=None):
        if unix_path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(unix_path)
        else:
            self._listener = socket.socket()
            self._listener.bind(("127.0.0.1", 0))
            self.port = self._listener.getsockname()[1]
        self._listener.listen()
        self._scripts = scripts
        self._held = []
        self.got = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        for n, script in enumerate(self._scripts):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            lines = connection.makefile("rb")
            for step in script:
                line = lines.readline()
                if not line:
                    break
                self.got.append((n, line.decode().rstrip("\n")))
                if step is HANG:
                    self._held.append(connection.dup())
                    break
                if step is CLOSE:
                    break
                last = isinstance(step, tuple)
                connection.sendall(step[0] if last else step)
                if last:
                    break
            lines.close()
            connection.close()
        self._listener.close()

    def wait(self):
        """Waits until all scripts are done; gives what was got."""
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), f"the client did less than the script: {self.got}"
        return self.got

    def client(self, **options):
        options.setdefault("reconnect", QUICK)
        return Client("127.0.0.1", self.port, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        for held in self._held:
            held.close()


def binary():
    """The server's program; built by cargo, or named by CAIRN_BIN."""
    path = pathlib.Path(os.environ.get("CAIRN_BIN") or ROOT / "target" / "debug" / "cairn")
    assert path.exists(), f"{path} is not there: cargo build -p cairn, or set CAIRN_BIN"
    return str(path)


class Real:
    """A real server with data of its own, on a free port."""

    def __init__(self, more=""):
        self.directory = tempfile.TemporaryDirectory(prefix="cairndb-test-")
        self.path = pathlib.Path(self.directory.name)
        text = f"data:\n  dir: {self.path}/data\nsnapshot:\n  dir: {self.path}/snapshots\napi:\n  tcp:\n    port: 0\n"
        (self.path / "cairn.yaml").write_text(text + more)
        self.start()

    def start(self, port=0):
        """Starts it, and waits for its ready line."""
        log = open(self.path / "log", "ab")
        arguments = ["serve", "-c", str(self.path / "cairn.yaml"), "--tcp", f"127.0.0.1:{port}"]
        self.process = subprocess.Popen([binary(), *arguments], stdout=subprocess.PIPE, stderr=log)
        log.close()
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
        line = self.process.stdout.readline().decode() if ready else ""
        self.line = line
        ready = re.match(r"ready tcp=127\.0\.0\.1:(\d+) ", line)
        assert ready, f"expected a ready line, got {line!r}: {(self.path / 'log').read_text()}"
        self.port = int(ready.group(1))

    def stop(self):
        """Stops it by SIGTERM; it must end well."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE)
        self.process.stdout.close()
        assert code == 0, f"exit code {code}: {(self.path / 'log').read_text()}"

    def kill(self):
        """Ends it at once, as a crash does."""
        self.process.kill()
        self.process.wait(DEADLINE)
        self.process.stdout.close()

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.directory.cleanup()

    def client(self, **options):
        return Client("127.0.0.1", self.port, **options)
