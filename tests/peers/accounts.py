"""Accounts of a Postrider under test, and tokens of an issuer that it trusts."""

import json
import subprocess
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from server import binary

ISSUER = "https://id.example"
KINDS = {"RS256": lambda: rsa.generate_private_key(65537, 2048),
         "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
         "EdDSA": ed25519.Ed25519PrivateKey.generate}


def user(server, *words, password=None):
    """Runs `postrider user …`."""
    options = ["--password-stdin"] if password is not None else []
    done = subprocess.run(
        [binary(), "user", *words, *options, "--config", server.config_path],
        input=None if password is None else password.encode() + b"\n", capture_output=True,
        timeout=60)
    assert done.returncode == 0, (words, done.stdout, done.stderr)


class Issuer:
    """Makes tokens, and the file of keys that they are checked with."""

    def __init__(self):
        self.keys = {name: make() for name, make in KINDS.items()}

    def key_set(self):
        """The public keys, as a JWKS."""
        keys = []
        for name, key in self.keys.items():
            words = self._words(name, key.public_key())
            keys.append({**words, "kid": name, "use": "sig", "alg": name})
        return json.dumps({"keys": keys}, indent=1)

    @staticmethod
    def _words(name, key):
        base64 = lambda number, size: jwt.utils.base64url_encode(
            number.to_bytes(size, "big")).decode()
        if name == "RS256":
            numbers = key.public_numbers()
            return {"kty": "RSA", "n": base64(numbers.n, 256), "e": base64(numbers.e, 3)}
        if name == "ES256":
            numbers = key.public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": base64(numbers.x, 32),
                    "y": base64(numbers.y, 32)}
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": jwt.utils.base64url_encode(raw).decode()}

    def token(self, name="RS256", headers=None, key=None, **claims):
        words = {"iss": ISSUER, "aud": "mail", "exp": int(time.time()) + 600,
                 "email": "ann@example.org", **claims}
        words = {claim: value for claim, value in words.items() if value is not None}
        return jwt.encode(words, key or self.keys[name], algorithm=name,
                          headers={"kid": name, **(headers or {})})
