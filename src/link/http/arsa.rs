//! ARSA style (SPEC 3.1): multipart in, flat JSON out, `x-key-secret`.
//!
//! Owns: these three endpoints' forms. Does not own: what is done. Decisions of ours where the original is silent: a
//! uid or a face that is enrolled already is 409; a stranger is `"unknown"`; scores are `null` without the scope.

use serde_json::json;

use crate::wire::{
    Command, Compare, FaceReport, Operations, PersonPut, Presence, Profile, Refusal, Reply, Scope,
};

use super::answer::Answer;
use super::call::Call;
use super::route::{Access, Action, Doc, Header, Method, ONE_PART, Route, Style, TWO_PARTS};
use super::schema;
use super::serve::unexpected;

const TAG: &str = "ARSA style";

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Post,
        path: "/api/v1/face_recognition/register_face",
        access: Access::Key(Header::KeySecret, Some(Scope::Enroll)),
        style: Style::Arsa,
        media: ONE_PART,
        action: Action::Ask { parse: register, render: registered },
        doc: Doc {
            tag: TAG,
            summary: "Enrol a face under an id",
            body: Some(schema::face_image),
            params: &[("header", "x-face-uid", true, schema::person_id)],
            ok: (200, Some(schema::arsa_registered)),
            also: &[409, 422],
            creates: true,
        },
    },
    Route {
        method: Method::Post,
        path: "/api/v1/face_recognition/recognize_face",
        access: Access::Key(Header::KeySecret, Some(Scope::Search)),
        style: Style::Arsa,
        media: ONE_PART,
        action: Action::Ask { parse: recognise, render: recognised },
        doc: Doc {
            tag: TAG,
            summary: "Say whose face this is (1:N), or \"unknown\"",
            body: Some(schema::face_image),
            params: &[],
            ok: (200, Some(schema::arsa_recognised)),
            also: &[422],
            creates: false,
        },
    },
    Route {
        method: Method::Post,
        path: "/api/v1/face_recognition/validate_faces",
        access: Access::Key(Header::KeySecret, Some(Scope::Search)),
        style: Style::Arsa,
        media: TWO_PARTS,
        action: Action::Ask { parse: validate, render: validated },
        doc: Doc {
            tag: TAG,
            summary: "Say whether two images show the same person (1:1), and measure liveness",
            body: Some(schema::two_images),
            params: &[],
            ok: (200, Some(schema::arsa_validated)),
            also: &[422],
            creates: false,
        },
    },
];

fn register(call: &Call) -> Result<Command, Refusal> {
    let uid = call.header("x-face-uid").ok_or_else(|| Refusal::missing("x-face-uid"))?.to_owned();
    Ok(Command::Enrol(PersonPut {
        presence: Presence::New,
        profile: Profile { name: Some(uid.clone()), ..Profile::default() },
        id: Some(uid),
        images: vec![call.part("face_image")?],
        ..PersonPut::default()
    }))
}

fn registered(call: &Call, reply: Reply, operations: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Enrolled(enrolled) => Answer::json(&json!({
            "status": "success",
            "face_uid": enrolled.person,
            "latency_ms": latency(call, operations),
        })),
        other => Err(unexpected(&other)),
    }
}

fn recognise(call: &Call) -> Result<Command, Refusal> {
    call.part("face_image").map(Command::Identify)
}

fn recognised(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Identified(found) => Answer::json(&json!({
            "recognition_uidresult": found.person.as_deref().unwrap_or("unknown"),
            "recognition_confidence": schema::rounded(found.score),
        })),
        other => Err(unexpected(&other)),
    }
}

fn validate(call: &Call) -> Result<Command, Refusal> {
    Ok(Command::Compare(Compare {
        a: call.part("image1")?,
        b: call.part("image2")?,
        measure_live: true,
        ..Compare::default()
    }))
}

fn validated(call: &Call, reply: Reply, operations: &dyn Operations) -> Result<Answer, Refusal> {
    let face = |face: &FaceReport| {
        json!({
            "bbox": [face.bbox.x, face.bbox.y, face.bbox.width, face.bbox.height],
            "passive_liveness": {
                "is_real_face": face.live.unwrap_or(false),
                "liveness_probability": schema::rounded(face.live_score),
            },
        })
    };
    match reply {
        Reply::Compared(compared) => Answer::json(&json!({
            "status": "success",
            "match_result": compared.same,
            "similarity_score": schema::rounded(compared.score),
            "face1_analysis": face(&compared.faces[0]),
            "face2_analysis": face(&compared.faces[1]),
            "latency_ms": latency(call, operations),
        })),
        other => Err(unexpected(&other)),
    }
}

fn latency(call: &Call, operations: &dyn Operations) -> u64 {
    operations.mono_ms().saturating_sub(call.begun)
}
