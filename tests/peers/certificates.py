"""A certificate authority of one's own, by openssl(1)."""

import pathlib
import ssl
import subprocess

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*words):
    done = subprocess.run(["openssl", *(str(word) for word in words)], capture_output=True)
    assert done.returncode == 0, (words, done.stderr.decode())
    return done.stdout


class Identity:
    """A certificate and its key, each in a file of PEM."""

    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key

    def context(self):
        """A server's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def pin(self):
        """SHA-256 of the public key, in hexadecimal digits."""
        public = openssl("x509", "-in", self.certificate, "-noout", "-pubkey")
        path = self.certificate.with_suffix(".pub")
        path.write_bytes(public)
        der = self.certificate.with_suffix(".der")
        openssl("pkey", "-pubin", "-in", path, "-outform", "DER", "-out", der)
        return openssl("dgst", "-sha256", "-r", der).split()[0].decode()


class Authority:
    def __init__(self, folder, name="Test CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "ca.pem"
        self.key = self.folder / "ca.key"
        openssl("req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.certificate,
                "-subj", f"/CN={name}", "-days", "10")

    def issue(self, *names, days=10):
        """For these names; days -1: it has expired."""
        path = self.folder / f"{names[0]}{days}"
        request, certificate, key = (path.with_name(path.name + end)
                                     for end in (".csr", ".pem", ".key"))
        alternative = ",".join(f"DNS:{name}" for name in names)
        openssl("req", *NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={names[0]}",
                "-addext", f"subjectAltName={alternative}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-days", days, "-copy_extensions", "copy", "-out", certificate)
        return Identity(certificate, key)

    def self_signed(self, name):
        path = self.folder / f"{name}-self"
        certificate, key = path.with_name(path.name + ".pem"), path.with_name(path.name + ".key")
        openssl("req", "-x509", *NEW_KEY, "-keyout", key, "-out", certificate, "-days", "10",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
        return Identity(certificate, key)
