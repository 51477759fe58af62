"""A throw-away certificate authority, by the openssl command."""

import dataclasses
import hashlib
import pathlib
import ssl
import subprocess

KEYS = {
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["-algorithm", "ED25519"],
}


def openssl(*words, data=None):
    done = subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, (words, done.stderr.decode(errors="replace"))
    return done.stdout


@dataclasses.dataclass
class Issued:
    certificate: pathlib.Path  # with the chain behind it, if there is one
    key: pathlib.Path

    @property
    def der(self):
        return openssl("x509", "-in", self.certificate, "-outform", "DER")

    @property
    def fingerprint(self):
        """SHA-256 of the certificate, in hex."""
        return hashlib.sha256(self.der).hexdigest()

    def pin(self):
        """SHA-256 of the public key, in hex."""
        public = openssl("x509", "-in", self.certificate, "-pubkey", "-noout")
        return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", data=public)).hexdigest()

    def context(self):
        """A server's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def config(self):
        """As a value of `tls:`."""
        return {"certificate": str(self.certificate), "key": str(self.key)}


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self.file = self.folder / f"{name}.pem"
        self.key = self.folder / f"{name}.key"
        self.make_key(self.key, "ec")
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.file, "-days", 30, "-subj",
                f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    @staticmethod
    def make_key(path, kind):
        path.touch(0o600)
        path.write_bytes(openssl("genpkey", *KEYS[kind]))

    def issue(self, *names, key="ec", days=30, is_self_signed=False):
        """A certificate for the names (DNS); days=-1: it has expired."""
        self.count += 1
        stem = f"{self.count}-{names[0].replace('*', 'any')}"
        issued = Issued(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        self.make_key(issued.key, key)
        request = openssl("req", "-new", "-key", issued.key, "-subj", f"/CN={names[0]}")
        extensions = self.folder / f"{stem}.ext"
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
        signer = ["-signkey", issued.key] if is_self_signed else [
            "-CA", self.file, "-CAkey", self.key, "-set_serial", self.count]
        issued.certificate.write_bytes(
            openssl("x509", "-req", "-days", days, "-extfile", extensions, *signer, data=request))
        return issued
