//! How Home Assistant is told to show this door: one retained message for the whole device.
//!
//! Owns: the topic and the message. Does not own: when it is sent (`link`), the states it points to.
//! Form: the device discovery of Home Assistant's MQTT integration (`homeassistant/device/<device>/config`): `dev`, `o`
//! and `cmps`; each component has its platform and a unique id that never changes.
//! Invariant: an order is offered only where `door_set` lets Home Assistant give it.

use serde_json::{Value, json};

use super::config::MqttConfig;
use super::link::Link;
use super::session::Message;
use ostiary_domain::EventKind;

/// Where Home Assistant says that it has started.
pub(super) const BIRTH: &str = "homeassistant/status";

/// Where the message belongs.
pub(super) fn topic(config: &MqttConfig) -> String {
    format!("homeassistant/device/ostiary-{}/config", config.device)
}

/// The message.
pub(super) fn message(config: &MqttConfig) -> String {
    let name = &config.device;
    let own = |below: &str| config.topics.own(below);
    let unique = |part: &str| format!("ostiary_{name}_{part}");
    let flag = |part: &str, name: &str, class: &str, below: &str, diagnostic: bool| {
        let mut component = json!({
            "p": "binary_sensor",
            "unique_id": unique(part),
            "name": name,
            "device_class": class,
            "state_topic": own(below),
            "payload_on": "ON",
            "payload_off": "OFF",
        });
        if diagnostic {
            component["entity_category"] = "diagnostic".into();
        }
        component
    };
    let reading = |part: &str, name: &str, template: &str| {
        json!({
            "p": "sensor",
            "unique_id": unique(part),
            "name": name,
            "entity_category": "diagnostic",
            "state_topic": own("info"),
            "value_template": template,
        })
    };
    let lock = if config.door_set {
        json!({
            "p": "lock",
            "unique_id": unique("lock"),
            "name": "Lock",
            "state_topic": own("door/1/state"),
            "command_topic": own("door/1/set"),
            "payload_lock": "LOCK",
            "payload_unlock": "UNLOCK",
            "payload_open": "OPEN",
            "state_locked": "LOCKED",
            "state_unlocked": "UNLOCKED",
            "state_locking": "LOCKING",
            "state_unlocking": "UNLOCKING",
            "state_jammed": "JAMMED",
            // Kept orders would be dropped, and rightly.
            "retain": false,
            "qos": 0,
        })
    } else {
        json!({
            "p": "binary_sensor",
            "unique_id": unique("unlocked"),
            "name": "Lock",
            "device_class": "lock",
            "state_topic": own("door/1/state"),
            "value_template": "{{ 'OFF' if value == 'LOCKED' else 'ON' }}",
        })
    };
    let kinds: Vec<Value> = EventKind::ALL.iter().map(|kind| kind.name().into()).collect();
    let mut device = json!({
        "dev": {
            "ids": [format!("ostiary-{name}")],
            "name": format!("Door {name}"),
            "mf": "Ostiary",
            "mdl": "Face recognition door",
            "sw": env!("CARGO_PKG_VERSION"),
        },
        "o": { "name": "ostiary", "sw": env!("CARGO_PKG_VERSION") },
        "availability_topic": own("status"),
        "payload_available": "online",
        "payload_not_available": "offline",
        "qos": 1,
        "cmps": {
            "lock": lock,
            "door": flag("door", "Door", "door", "door/1/contact", false),
            "tamper": flag("tamper", "Housing", "tamper", "tamper", false),
            "forced": flag("forced", "Forced open", "safety", "alarm/forced", false),
            "held": flag("held", "Held open", "problem", "alarm/held", false),
            "fire": flag("fire", "Emergency release", "safety", "alarm/fire", false),
            "camera": flag("camera", "Camera", "problem", "alarm/camera", true),
            "storage": flag("storage", "Storage", "problem", "alarm/storage", true),
            "access": {
                "p": "event",
                "unique_id": unique("access"),
                "name": "Access",
                "state_topic": own("event"),
                "event_types": kinds,
            },
            "people": reading("people", "People", "{{ value_json.people }}"),
            "queued": reading("queued", "Events waiting", "{{ value_json.queued }}"),
            "lost": reading("lost", "Events lost", "{{ value_json.lost }}"),
            "version": reading("version", "Version", "{{ value_json.version }}"),
        },
    });
    if config.pictures {
        device["cmps"]["image"] = json!({
            "p": "image",
            "unique_id": unique("image"),
            "name": "Last visitor",
            "image_topic": own("image/last"),
            "content_type": "image/jpeg",
        });
    }
    device.to_string()
}

impl Link {
    /// Tells Home Assistant how to show this door.
    pub(super) fn discover(&mut self) {
        if self.config.home_assistant {
            let message = Message::new(topic(&self.config), message(&self.config));
            self.send(message.retained());
        }
    }
}
