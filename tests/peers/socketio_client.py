"""python-socketio as a client of the crate fullduplex-socketio: socketio_client.py SOCKETIO_SERVER"""

import asyncio
import subprocess
import sys
import threading

import socketio

from tap import check, main

PROGRAM = sys.argv[1]
TRANSPORTS = {"polling": ["polling"], "upgrade": None, "websocket": ["websocket"]}


def server(*options):
    process = subprocess.Popen(
        [PROGRAM, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().split()[-1]


PROCESS, URL = server()


class Peer:
    """A client with the events that it has received."""

    def __init__(self, transports=None, namespaces=("/",), auth=None, **options):
        self.client = socketio.Client(
            reconnection_delay=0.02, reconnection_delay_max=0.05, randomization_factor=0, **options
        )
        self.events = []
        self.came = threading.Condition()
        for namespace in namespaces:
            self.client.on("*", self.record(namespace), namespace=namespace)
        self.client.on("question", lambda *args: (self.note(("question", args)), args)[1])
        self.client.connect(
            URL, transports=transports, namespaces=list(namespaces), auth=auth, wait_timeout=10
        )

    def record(self, namespace):
        return lambda event, *args: self.note((event, args))

    def note(self, event):
        with self.came:
            self.events.append(event)
            self.came.notify_all()

    def next(self, event):
        """Waits for an event of this name, and returns its arguments."""
        def found():
            return next((e for e in self.events if e[0] == event), None)
        with self.came:
            assert self.came.wait_for(found, 10), f"no {event} in {self.events}"
            record = found()
            self.events.remove(record)
            return record[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()


def in_thread(function):
    """python-socketio's plain client blocks, and needs no loop."""
    async def run():
        await asyncio.to_thread(function)
    run.__name__ = function.__name__
    return check(run)


@in_thread
def events_bytes_and_acknowledgements():
    for name, transports in TRANSPORTS.items():
        with Peer(transports, auth={"token": name}) as peer:
            assert peer.next("auth") == ({"token": name},)
            expected = "polling" if name == "polling" else "websocket"
            assert peer.client.transport() == expected, peer.client.transport()
            values = (1, "grüße 🌍", {"a": [None, b"\1\2"]}, b"bytes", "x" * 100_000)
            peer.client.emit("message", values)
            assert peer.next("message-back") == values
            assert peer.client.call("message-with-ack", b"bytes") == b"bytes"
            assert peer.client.call("ask", "how?") == "how?"
            assert peer.next("question") == ("how?",)
            # By default it takes at most 16 packets in the response to a poll.
            for begin in range(0, 100, 10):
                for number in range(begin, begin + 10):
                    peer.client.emit("message", number)
                for number in range(begin, begin + 10):
                    assert peer.next("message-back") == (number,)


@in_thread
def rooms_reach_their_members():
    with Peer() as a, Peer(["polling"]) as b, Peer(["websocket"]) as c:
        assert a.client.call("join", "room") is True
        assert b.client.call("join", "room") is True
        assert c.client.call("say", ("room", b"to all")) == 2
        assert a.next("said") == b.next("said") == (b"to all",)
        assert not any(event == "said" for event, _ in c.events)
        assert a.client.call("leave", "room") is True
        assert c.client.call("say", ("room", 1)) == 1


@in_thread
def namespaces_and_refusals():
    with Peer(namespaces=("/", "/custom", "/dynamic-1")) as peer:
        ids = {peer.client.get_sid(name) for name in ("/", "/custom", "/dynamic-1")}
        assert len(ids) == 3 and None not in ids
        assert peer.client.call("message-with-ack", 1, namespace="/custom") == 1
    for name in ("/refused", "/unknown"):
        try:
            Peer(namespaces=(name,))
        except socketio.exceptions.ConnectionError as error:
            assert "namespaces failed to connect" in str(error), error
        else:
            raise AssertionError(f"{name} lets the client in")


@in_thread
def a_cut_connection_is_made_again():
    # It does not come back after the close packet that a poll is answered with.
    for transports in (None, ["websocket"]):
        with Peer(transports) as peer:
            before = peer.client.get_sid()
            peer.next("auth")
            peer.client.emit("cut")
            peer.next("auth")
            assert peer.client.get_sid() != before
            assert peer.client.call("message-with-ack", 1) == 1


try:
    main()
finally:
    PROCESS.kill()
