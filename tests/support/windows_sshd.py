r"""What an SSH server on Windows looks like from outside, on any machine.

A folder stands for ``C:\``; SFTP paths are ``/C:/…``; commands are read as ``cmd.exe`` or Windows
PowerShell read them, and then by ``CommandLineToArgvW``. The only programs are PowerShell running
one of our scripts by file, each answered here as its own head describes it, and a few that show
what output can look like. It shows that our side keeps to these rules, not what Windows does.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.message import Message
from paramiko.sftp import CMD_EXTENDED, SFTP_FAILURE, SFTP_OK, SFTP_PERMISSION_DENIED

from tests.support.windows_rules import read_by_cmd, read_by_powershell, split_command_line

HOME = "/C:/Users/svc-wsus"
Answer = tuple[int, bytes, bytes]
Json = dict[str, object]
CLIXML = b'#< CLIXML\r\n<Objs><S S="Error">it failed_x000D__x000A_</S></Objs>'


class WindowsServer:
    """The machine: its disk, its programs and what was run on it."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.disk = folder / "disk"
        self.shell = shell
        self.commands: list[list[str]] = []
        self.jobs: list[list[str]] = []
        self.offers_fsync = True
        self.refusals = 0  # how many SFTP renames a virus scanner gets in the way of
        (self.disk / "Users" / "svc-wsus").mkdir(parents=True)

    def real(self, path: str) -> Path:
        r"""Where ``C:\…`` or ``/C:/…`` lies here."""
        flat = path.replace("\\", "/").lstrip("/")
        if flat[:2].upper() != "C:":
            raise FileNotFoundError(path)
        return self.disk / flat[2:].lstrip("/")

    def execute(self, text: str) -> Answer:
        """Run a command as the default shell does."""
        if text.startswith("echo "):
            said = b"Windows_NT $?\r\n" if self.shell == "cmd" else b"%OS%\r\nTrue\r\n"
            return 0, said, b""
        if self.shell == "cmd":
            command = split_command_line(read_by_cmd(text))
        else:
            command = read_by_powershell(text)
        self.commands.append(command)
        program = command[0].rpartition("\\")[2].lower()
        if program == "powershell.exe":
            return self._run_script(dict(itertools.pairwise(command)))
        return PROGRAMS.get(program, (9009, b"", b"not recognized"))

    def _run_script(self, options: dict[str, str]) -> Answer:
        script = self.real(options["-File"])
        if not script.is_file():
            return 64, b"", b"no such file"
        lines = self.real(options["-InputFile"]).read_text(encoding="utf-8").splitlines()
        settings, *rest = [json.loads(line) for line in lines]
        answers = [*SCRIPTS[script.stem](self, settings, rest, script.parent), {"kind": "end"}]
        text = "".join(json.dumps(answer) + "\n" for answer in answers)
        self.real(options["-OutputFile"]).write_text(text, encoding="utf-8")
        return 0, "nur für Menschen\r\n".encode("cp437"), CLIXML.replace(b"Error", b"verbose")

    def start_job(self, settings: Json, _rest: list[Json], scripts: Path) -> Iterator[Json]:
        """``start-detached``: every program ends at once with code 3."""
        job = self.real(str(settings["job"]))
        state = "found" if (job / "started").exists() else "started"
        if not (scripts / "supervise-job.ps1").is_file():
            raise FileNotFoundError("supervise-job.ps1")
        command = settings["command"]
        if state == "started" and command is None:
            yield {"kind": "job", "state": "absent", "running": False, "exit_code": None}
            return
        if state == "started" and isinstance(command, list):
            self._run_job(job, [str(part) for part in command])
        running = (job / "running").exists()
        exit_code = int((job / "exit-code").read_text()) if (job / "exit-code").exists() else None
        yield {"kind": "job", "state": state, "running": running, "exit_code": exit_code,
               "cpu_seconds": 1.5}  # fmt: skip

    def _run_job(self, job: Path, command: list[str]) -> None:
        self.jobs.append(command)
        (job / "started").write_text("1 2\n", encoding="ascii")
        if command[0].endswith("endless.exe"):
            (job / "running").touch()
        elif command[0] == "powershell.exe":
            options = dict(itertools.pairwise(command))
            (job / "exit-code").write_text(f"{self._run_script(options)[0]}\n", encoding="ascii")
        else:
            (job / "stdout").write_bytes("Größe\r\n".encode("utf-16"))
            (job / "exit-code").write_text("3\n", encoding="ascii")

    def prepare_folder(self, settings: Json, _rest: list[Json], _scripts: Path) -> Iterator[Json]:
        """``prepare-folder``: a folder named ``open`` is open to others."""
        path = self.real(str(settings["path"]))
        problem = "it is open to S-1-1-0" if path.name == "open" else None
        if problem is None:
            path.mkdir(parents=True, exist_ok=True)
        yield {"kind": "folder", "path": settings["path"], "created": True, "problem": problem}

    def place_files(self, settings: Json, rest: list[Json], _scripts: Path) -> Iterator[Json]:
        """``place-files``."""
        for move in rest:
            answer: Json = {"kind": "moved", **move}
            try:
                self.real(str(move["from"])).replace(self.real(str(move["to"])))
            except OSError as error:
                answer["error"] = str(error)
            yield answer
        self.commands.append(["inherit", str(settings["inherit"])])

    def hash_files(self, _settings: Json, rest: list[Json], _scripts: Path) -> Iterator[Json]:
        """``hash-files``."""
        for line in rest:
            path = self.real(str(line["path"]))
            if not path.is_file():
                yield {"kind": "file", "path": line["path"], "error": "not there"}
                continue
            sha1 = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
            size = path.stat().st_size
            yield {"kind": "file", "path": line["path"], "size_bytes": size, "sha1": sha1}

    def read_volume(self, settings: Json, _rest: list[Json], _scripts: Path) -> Iterator[Json]:
        """``read-volume``: folder WSUS of drive D is a junction to folder Big of drive E."""
        path = str(settings["path"]).replace("D:\\WSUS", "E:\\Big")
        yield {
            "kind": "volume",
            "name": path[:3],
            "free_bytes": 123_456_789,
            "file_system": "NTFS",
            "real_path": path,
        }


SCRIPTS: dict[str, Callable[[WindowsServer, Json, list[Json], Path], Iterator[Json]]] = {
    "start-detached": WindowsServer.start_job,
    "prepare-folder": WindowsServer.prepare_folder,
    "place-files": WindowsServer.place_files,
    "hash-files": WindowsServer.hash_files,
    "read-volume": WindowsServer.read_volume,
}
PROGRAMS: dict[str, Answer] = {
    "utf16.exe": (0, "Größe\r\n".encode("utf-16"), b""),
    "oem.exe": (0, "Größe\r\n".encode("cp437"), b""),
    "fails.exe": (3, b"", CLIXML),
}


class _Files(paramiko.SFTPServerInterface):
    """The disk over SFTP."""

    def __init__(self, server: _Session) -> None:
        super().__init__(server)
        self.machine = server.machine

    def canonicalize(self, path: str) -> str:
        return HOME if path in (".", "") else path

    def open(
        self, path: str, flags: int, attr: paramiko.SFTPAttributes
    ) -> paramiko.SFTPHandle | int:
        del attr
        try:
            descriptor = os.open(self.machine.real(path), flags, 0o600)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 5)
        mode = {os.O_RDONLY: "rb", os.O_WRONLY: "wb"}.get(flags & os.O_ACCMODE, "r+b")
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = handle.writefile = os.fdopen(descriptor, mode)  # type: ignore[attr-defined]
        return handle

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            found = list(self.machine.real(path).iterdir())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 5)
        return [paramiko.SFTPAttributes.from_stat(entry.lstat(), entry.name) for entry in found]

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self.machine.real(path).lstat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 5)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self.lstat(path)

    def _change(self, action: Callable[[], object]) -> int:
        try:
            action()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 5)
        return SFTP_OK

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        del attr
        return self._change(lambda: self.machine.real(path).mkdir())

    def rmdir(self, path: str) -> int:
        return self._change(lambda: self.machine.real(path).rmdir())

    def remove(self, path: str) -> int:
        return self._change(lambda: self.machine.real(path).unlink())

    def rename(self, oldpath: str, newpath: str) -> int:
        if self.machine.real(newpath).exists():
            return SFTP_FAILURE
        return self.posix_rename(oldpath, newpath)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        if self.machine.refusals:
            self.machine.refusals -= 1
            return SFTP_PERMISSION_DENIED
        old, new = self.machine.real(oldpath), self.machine.real(newpath)
        return self._change(lambda: old.replace(new))


class _Sftp(paramiko.SFTPServer):
    """With the one extension of OpenSSH that we ask a Windows server for."""

    def _process(self, t: int, request_number: int, msg: Message) -> None:
        if t == CMD_EXTENDED:
            start = msg.packet.tell()
            if msg.get_text() == "fsync@openssh.com" and self.server.machine.offers_fsync:  # type: ignore[attr-defined]
                self._send_status(request_number, SFTP_OK)  # type: ignore[attr-defined]
                return
            msg.packet.seek(start)
        super()._process(t, request_number, msg)  # type: ignore[misc]


class _Session(paramiko.ServerInterface):
    """One connection."""

    def __init__(self, machine: WindowsServer) -> None:
        self.machine = machine

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        del username, key
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        # A little later: paramiko's server says yes only after this returns.
        timer = threading.Timer(0.02, self._execute, (channel, command))
        timer.daemon = True
        timer.start()
        return True

    def _execute(self, channel: paramiko.Channel, command: bytes) -> None:
        exit_code, stdout, stderr = self.machine.execute(command.decode("utf-8"))
        channel.sendall(stdout)
        channel.sendall_stderr(stderr)
        channel.send_exit_status(exit_code)
        channel.close()


@contextmanager
def running_windows(folder: Path, shell: str) -> Iterator[tuple[WindowsServer, int, paramiko.PKey]]:
    """The server, its port and its host key, for as long as the block runs."""
    machine = WindowsServer(folder, shell)
    host_key = paramiko.ECDSAKey.generate()
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(sock)
                transport.add_server_key(host_key)
                transport.set_subsystem_handler("sftp", _Sftp, _Files)
                transports.append(transport)
                transport.start_server(threading.Event(), _Session(machine))

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield machine, listener.getsockname()[1], host_key
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for transport in transports:
                transport.close()
            shutil.rmtree(machine.disk)
