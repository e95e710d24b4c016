"""Enrolment as an installer's own program does it, with paho: parts, progress, cancel, bulk, duplicates.

Owns: the asking. Does not own: the door that answers (paho.rs starts it), which knows `twin` under another id.
"""

import base64
import json
import os
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

ROOT = "ostiary/front"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
answers = queue.Queue()

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="installer", protocol=mqtt.MQTTv5)
client.on_message = lambda _client, _data, message: answers.put(message)
client.connect("127.0.0.1", int(os.environ["PORT"]))
client.subscribe(f"{ROOT}/rsp/installer/#", qos=1)
client.loop_start()


def send(verb, payload, name):
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = f"{ROOT}/rsp/installer/{name}"
    properties.CorrelationData = name.encode()
    body = payload if isinstance(payload, bytes) else json.dumps(payload)
    client.publish(f"{ROOT}/cmd/{verb}", body, qos=1, properties=properties).wait_for_publish(10)


def answer(name):
    while True:
        message = answers.get(timeout=15)
        if message.topic.endswith("/" + name):
            assert message.properties.CorrelationData == name.encode(), message.properties
            return json.loads(message.payload)


# A picture in parts, the last first.
parts = [PICTURE[i : i + 1500] for i in range(0, len(PICTURE), 1500)]
for number, part in reversed(list(enumerate(parts))):
    send(f"upload/photo/{number}/{len(parts)}", part, "photo")
assert answer("photo")["result"]["parts"] == len(parts)
send("enroll.image", {"id": "ada", "profile": {"name": "Ada 🙂"}, "uploads": ["photo"]}, "enrol")
enrolled = answer("enrol")
assert enrolled["ok"] and enrolled["result"]["images"][0]["quality"] == 80, enrolled

# The upload is used up.
send("enroll.image", {"id": "bob", "profile": {"name": "Bob"}, "uploads": ["photo"]}, "again")
assert answer("again")["error"]["code"] == "not_found"

# One result a row, the twin by the id under which the face is known.
picture = base64.b64encode(PICTURE).decode()
send("enroll.bulk", {"rows": [{"id": n, "images": [picture]} for n in ("bob", "twin", "cy")]}, "bulk")
rows = answer("bulk")["result"]["rows"]
assert [row["ok"] for row in rows] == [True, False, True], rows
assert rows[1]["error"]["person"] == "other", rows

# At the door's camera: progress, then the end.
send("enroll.camera", {"id": "ada"}, "camera")
steps = []
while "ok" not in (said := answer("camera")):
    steps.append(said["progress"]["taken"])
assert said["ok"] and steps == sorted(steps) and len(steps) > 1, (said, steps)
send("enroll.camera", {"id": "ada"}, "camera2")
answer("camera2")
send("enroll.cancel", {}, "cancel")
while "ok" not in (said := answer("camera2")):
    pass
assert not said["ok"] and "cancelled" in said["error"]["message"], said

client.disconnect()
client.loop_stop()
sys.stdout.write("enrolled\n")
