"""Other programs in the background, in a folder of their own."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile

DIR = tempfile.mkdtemp(prefix="fullduplex-peers-")
# Some give up their rights before they read their files.
os.chmod(DIR, 0o755)


def path(name):
    return os.path.join(DIR, name)


def write(name, text):
    with open(path(name), "w") as file:
        file.write(text)
    return path(name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.asynccontextmanager
async def running(*command, port=None, stop=signal.SIGTERM, **options):
    """Gives the port once the program listens on it; without a port, the last word of the first line that it prints.
    At the end all processes that it has started are killed, if `stop` does not end them."""
    with open(path(os.path.basename(command[0]) + ".log"), "ab") as log:
        out = log if port else asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=log, start_new_session=True, **options)
    try:
        yield await listening(port, log.name) if port else (await process.stdout.readline()).decode().split()[-1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(stop)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        # Such as workers, which outlive a parent that is killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def listening(port, log):
    for _ in range(200):
        with contextlib.suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            return port
        await asyncio.sleep(0.05)
    raise RuntimeError(f"no program listens on port {port}; see {log}")


async def run(*command, stdin=b"", **options):
    """Exit code, output and errors of a program."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, **options)
    out, err = await asyncio.wait_for(process.communicate(stdin), 55)
    return process.returncode, out, err.decode()
