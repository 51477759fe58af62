"""rspamd, its DKIM module alone, asked over HTTP."""

import json
import socket
import urllib.request

from peers import Daemon, need, program
from server import free_port


class Rspamd(Daemon):
    """Asks the DNS at `dns_port`."""

    def __init__(self, folder, dns_port):
        need("rspamd")
        super().__init__(folder)
        self.port = free_port()
        # A short list of suffixes: compiling the long one takes a quarter of a minute.
        (self.folder / "tld").write_text("com\norg\nexample\n")
        (self.folder / "rspamd.conf").write_text(f"""
options {{
    filters = "dkim"; url_tld = "{self.folder}/tld"; tempdir = "{self.folder}";
    hs_cache_dir = "{self.folder}"; control_socket = "{self.folder}/control mode=0600";
    dns {{ nameserver = ["127.0.0.1:{dns_port}"]; timeout = 2s; retransmits = 3; }}
}}
logging {{ type = "console"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{self.port}"; count = 1; mime = true; }}
dkim {{ max_sigs = 10; }}
""")

    def start(self):
        # -i: it may be root that runs the tests.
        self.launch(program("rspamd"), "-f", "-i", "-c", str(self.folder / "rspamd.conf"),
                    ready=self.listens)
        return self

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def signatures(self, text):
        """{what it says of some signatures: their domains and selectors}"""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/checkv2", data=text)
        with urllib.request.urlopen(request, timeout=30) as reply:
            symbols = json.load(reply)["symbols"]
        return {name: sorted(symbol["options"]) for name, symbol in symbols.items()
                if name.startswith("R_DKIM")}
