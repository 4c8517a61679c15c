"""`fdx serve` in the background, with its log."""

import asyncio
import contextlib
import signal


class Served:
    def __init__(self, process):
        self.process = process
        self.lines = []

    async def said(self, *words):
        """The line on standard error that has all of these words, once it comes."""
        while True:
            for line in self.lines:
                if all(word in line for word in words):
                    self.lines.remove(line)
                    return line
            line = (await self.process.stderr.readline()).decode()
            assert line, f"no line with {words}; the server has ended"
            self.lines.append(line.rstrip("\n"))

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)


@contextlib.asynccontextmanager
async def serving(fdx, *options, listen=("127.0.0.1:0",)):
    """Has the address, as `host:port`, and with a certificate made on the spot its file."""
    where = [word for address in listen for word in ("--listen", address)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(fdx, "serve", *where, "--log", *options, stdout=pipe, stderr=pipe)
    served = Served(process)
    try:
        served.addresses = []
        for _ in listen:
            line = (await process.stdout.readline()).decode()
            assert line.startswith("listening on "), (line, (await process.stderr.read()).decode())
            served.addresses.append(line.split()[-1].split("//")[-1].rstrip("/"))
        served.address = served.addresses[0]
        if "--tls-self-signed" in options:
            served.ca = (await process.stdout.readline()).decode().split()[-1]
            served.fingerprint = (await process.stdout.readline()).decode().split()[-1]
        yield served
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
