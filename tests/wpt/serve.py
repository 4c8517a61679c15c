"""Serves a checkout of the web-platform tests, and lists the pages of its folder `websockets`.

    python3 serve.py list WPT
    python3 serve.py serve WPT CERTIFICATES

Certificates are made in the folder `CERTIFICATES`, as those of a checkout are valid for a year.
"""

import json
import os
import sys

# Not the ports of the network that these tests don't need.
UNUSED = ["http-private", "http-public", "https-private", "https-public", "webtransport-h3"]


def pages():
    from manifest.sourcefile import SourceFile

    for folder, _, files in sorted(os.walk("websockets")):
        for file in sorted(files):
            kind, items = SourceFile(".", os.path.join(folder, file), "/").manifest_items()
            if kind == "testharness":
                yield from (item.url for item in items)


def main():
    action, checkout, *certificates = sys.argv[1:]
    os.chdir(checkout)
    sys.path.insert(0, "tools")
    import localpaths  # noqa: F401  It finds the libraries of the checkout.

    if action == "list":
        print("\n".join(pages()))
        return
    from serve import serve

    settings = {
        "check_subdomains": False,
        "ports": {name: [] for name in UNUSED},
        "ssl": {"type": "openssl", "openssl": {"base_path": certificates[0]}},
    }
    path = os.path.join(certificates[0], "serve.json")
    with open(path, "w") as file:
        json.dump(settings, file)
    sys.argv = ["serve", "--config", path]
    serve.main()


def end_connections():
    """Ends a connection of HTTP/2 when its client has gone.

    wptserve compares what it receives with text, and reads on and on.
    """
    from wptserve import server

    class Connection(server.H2Connection):
        def receive_data(self, data):
            if not data:
                raise OSError("the client has gone")
            return super().receive_data(data)

    server.H2Connection = Connection


# Its servers are processes of their own, which import this file again.
if __name__ == "__main__":
    main()
else:
    end_connections()
