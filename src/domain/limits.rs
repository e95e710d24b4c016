//! Every capacity of the core, named once.
//!
//! Owns: the numbers. Does not own: thresholds that an installer may set (those are configuration).
//! Invariant: whatever is bounded by a type anywhere in the house takes its bound from here.

/// Faces kept of one frame; more are dropped, smallest score first.
pub const MAX_FACES: usize = 16;
/// Values of the longest embedding understood.
pub const MAX_EMBEDDING: usize = 512;
/// Side of the largest aligned face in pixels (face-reidentification-retail-0095 takes 128).
pub const MAX_ALIGNED_SIDE: usize = 128;
/// Longest side of a camera frame in pixels.
pub const MAX_FRAME_SIDE: u32 = 1920;
/// Bytes of the largest camera frame, RGB.
pub const MAX_FRAME_BYTES: usize = 1920 * 1080 * 3;
/// Longest person id in bytes.
pub const MAX_ID: usize = 64;
/// Longest person name in bytes of UTF-8.
pub const MAX_NAME: usize = 128;
/// Longest note on a person in bytes of UTF-8.
pub const MAX_NOTES: usize = 512;
/// Templates of one person.
pub const MAX_TEMPLATES: usize = 10;
/// Images of one person.
pub const MAX_IMAGES: usize = 3;
/// Groups of one person.
pub const MAX_GROUPS: usize = 16;
/// Collections that one person is in.
pub const MAX_COLLECTIONS: usize = 16;
/// Longest name of a group or a collection in bytes.
pub const MAX_LABEL: usize = 64;
/// Longest free text of an event in bytes.
pub const MAX_DETAIL: usize = 96;
/// Outputs that one input to the gate may cause before they are drained.
pub const MAX_OUTPUTS: usize = 24;
