"""Runs Autobahn's wstest on the loopback address alone: it listens on all by itself."""

from twisted.internet import reactor

listen = reactor.listenTCP


def listen_on_loopback(port, factory, backlog=50, interface=""):
    return listen(port, factory, backlog, "127.0.0.1")


reactor.listenTCP = listen_on_loopback

from autobahntestsuite import wstest  # noqa: E402 (it binds the reactor's methods)

wstest.run()
