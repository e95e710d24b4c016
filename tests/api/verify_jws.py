"""A signed answer, verified by PyJWT with the key set that the door publishes.

Owns: the verification, and that a changed answer fails it. Does not own: the door (main.rs starts it).
"""

import base64
import os

import jwt
import requests

BASE, KEY = os.environ["BASE"], os.environ["KEY"]
headers = {"Authorization": f"Bearer {KEY}"}

with open("unknown.jpg", "rb") as file:
    image = base64.b64encode(file.read()).decode()
answer = requests.post(
    f"{BASE}/v2/face-recognition/liveness", json={"image": image, "os": "DESKTOP"}, headers=headers
).json()
keys = requests.get(f"{BASE}/.well-known/jwks.json").json()
signed = answer.pop("jws")
kid = jwt.get_unverified_header(signed)["kid"]
key = next(jwt.PyJWK(entry) for entry in keys["keys"] if entry["kid"] == kid)
payload = jwt.decode(signed, key.key, algorithms=["EdDSA"])
assert payload == answer, (payload, answer)
print("verified")

head, body, signature = signed.split(".")
changed = ".".join([head, ("B" if body[10] != "B" else "C").join([body[:10], body[11:]]), signature])
try:
    jwt.decode(changed, key.key, algorithms=["EdDSA"])
except jwt.InvalidTokenError:
    print("refused a changed one")
