"""The request examples of the cloud documents, as a client has them; host and key come from the environment.

Owns: the calls and what their answers must hold. Does not own: the door that answers (main.rs starts it).
"""

import base64
import os

import requests

BASE, KEY = os.environ["BASE"], os.environ["KEY"]

# ARSA: register, then recognise.
answer = requests.post(
    f"{BASE}/api/v1/face_recognition/register_face",
    headers={"x-key-secret": KEY, "x-face-uid": "employee_42"},
    files={"face_image": open("photo.jpg", "rb")},
)
assert answer.status_code == 200 and answer.json()["face_uid"] == "employee_42", answer.text

response = requests.post(
    f"{BASE}/api/v1/face_recognition/recognize_face",
    headers={"x-key-secret": KEY},
    files={"face_image": open("unknown.jpg", "rb")},
)
found = response.json()
assert 0.5 < found["recognition_confidence"] <= 1, response.text
print("recognised", found["recognition_uidresult"])

# Verifik: search-active-user, and search with several images.
with open("unknown.jpg", "rb") as file:
    image = base64.b64encode(file.read()).decode()
url = f"{BASE}/v2/face-recognition/search-active-user"
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.getenv('VERIFIK_TOKEN')}"}
payload = {"image": image, "os": "DESKTOP", "min_score": 0.7, "search_mode": "FAST"}
r = requests.post(url, json=payload, headers=headers)
assert r.status_code == 200, r.text
print("found", r.json()["data"][0]["id"])
for field in ("id", "signature", "jws"):
    assert field in r.json(), r.text

payload = {"images": [image], "min_score": "0.7", "search_mode": "ACCURATE"}
r = requests.post(f"{BASE}/v2/face-recognition/search", json=payload, headers=headers)
person = r.json()["data"][0]
assert person["id"] == "employee_42" and person["thumbnails"][0]["thumbnail"], r.text

live = {"image": image, "os": "DESKTOP", "liveness_min_score": 0.5, "min_score": 0.7, "search_mode": "FAST"}
r = requests.post(f"{BASE}/v2/face-recognition/search-live-face", json=live, headers=headers)
assert r.status_code in (200, 409), r.text
if r.status_code == 409:
    assert r.json()["code"] == "LivenessFailed", r.text

# The Face API: match, then 1:N search, insert and the deletion of the image.
face = f"{BASE}/api/v1/face"
r = requests.post(f"{face}/match", json={"sourceImage": image, "targetImage": image}, headers=headers)
assert r.json() == {"match": True, "matchLevel": 5}, r.text
r = requests.post(f"{face}/one-to-n/search", json={"idPhoto": image, "insert": True}, headers=headers)
assert r.json() == {"oneToNVerificationId": "employee_42", "oneToNVerificationMatch": True}, r.text
with open("photo.jpg", "rb") as file:
    portrait = base64.b64encode(file.read()).decode()
r = requests.post(f"{face}/one-to-n/insert", json={"idPhoto": portrait}, headers=headers)
assert r.status_code == 200, r.text
verification = r.json()["oneToNVerificationId"]
r = requests.delete(f"{face}/one-to-n/search/{verification}", headers=headers)
assert r.status_code == 204 and r.text == "", r.text
r = requests.delete(f"{face}/one-to-n/search/unknown-id", headers=headers)
assert r.status_code == 404, r.text
