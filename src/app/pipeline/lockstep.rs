//! The walk-up without threads: every frame of a recording, on the recording's own clock.
//!
//! Owns: the order of the stations. Does not own: the stations, which are those of the threaded walk-up.
//! Invariant: the same recording, gallery and configuration give the same decisions, however fast the machine is.

use crate::access::Input;
use crate::app::latest::FrameBuffer;
use crate::app::recognition::Recognition;
use crate::domain::Millis;
use crate::ports::{Camera, CameraError, Clock};
use crate::vision::Vision;

use super::capture::CameraHealth;
use super::eyes::{self, StageTimes};
use super::hands::Hands;
use super::journal::Journal;
use super::keeper::Keeper;
use super::{Message, PipelineError, Summary};

/// Longest step between two turns of the door while frames are far apart.
const STEP: Millis = Millis(50);

/// Plays a recording to its end. The camera advances `clock`.
///
/// # Errors
/// Never today; the type is that of the threaded walk-up.
pub fn run(
    mut camera: Box<dyn Camera>,
    mut vision: Vision,
    recognition: &Recognition,
    mut hands: Hands,
    mut journal: Journal,
    keeper: &Keeper,
    clock: &dyn Clock,
) -> Result<Summary, PipelineError> {
    let start = clock.now().mono;
    let mut buffer = FrameBuffer::new();
    let mut health = CameraHealth::new(start);
    let (mut frames, mut looks) = (0, 0);
    let mut times = StageTimes::default();
    loop {
        let before = clock.now();
        let outcome = camera.next(&mut buffer.rgb, Millis(1_000));
        let now = clock.now();
        // What fell due while the recording showed nothing happens at its own time.
        let mut between = before;
        while between.mono.after(STEP) < now.mono {
            between.mono = between.mono.after(STEP);
            between.utc.0 += STEP.0 as i64;
            hands.turn(between);
        }
        let report = match outcome {
            Ok(meta) => {
                frames += 1;
                if (meta.width, meta.height) != (buffer.meta.width, buffer.meta.height) || frames == 1 {
                    let size = Input::FrameSize { width: meta.width, height: meta.height };
                    hands.feed(size, now);
                }
                buffer.meta = meta;
                if let Some(look) = eyes::look(&mut vision, &buffer, &mut |probe| recognition.search(probe)) {
                    looks += 1;
                    times.add(vision.timings());
                    hands.feed(Input::Look(look), now);
                }
                health.frame(&buffer.rgb[..meta.bytes()], now.mono)
            }
            Err(CameraError::Ended) => break,
            Err(error) => health.trouble(&error, now.mono),
        };
        match report {
            Some(Message::CameraFault(what)) => hands.feed(Input::CameraFault(what), now),
            Some(_) => hands.feed(Input::CameraBack, now),
            None => {}
        }
        while let Some(input) = keeper.turn() {
            hands.feed(input, now);
        }
        hands.turn(now);
        journal.turn();
    }
    hands.stop(clock.now());
    journal.turn();
    Ok(Summary { frames, looks, overwritten: 0, dropped: 0, lasted: clock.now().mono.since(start), times })
}
