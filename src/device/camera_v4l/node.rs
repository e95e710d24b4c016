//! From the name of a camera to the number that nokhwa wants.
//!
//! Owns: following names under `/dev/v4l`, and saying why a device cannot be used. Does not own: opening it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use ostiary_ports::CameraError;

use super::super::detail;

/// The number N of `/dev/videoN` behind a name.
///
/// # Errors
/// `Gone` when there is no such device, `Refused` when it is no camera or may not be opened.
pub(super) fn index(device: &Path) -> Result<u32, CameraError> {
    let real = fs::canonicalize(device).map_err(|e| trouble(device, &e))?;
    let number = real.file_name().and_then(|n| n.to_str()?.strip_prefix("video")?.parse().ok());
    let no_camera =
        || CameraError::Refused(detail(format_args!("{} is no V4L2 camera (/dev/videoN)", device.display())));
    let number = number.ok_or_else(no_camera)?;
    // Opened and closed again: nokhwa's own message would not tell permission from absence.
    OpenOptions::new().read(true).write(true).open(&real).map_err(|e| trouble(device, &e))?;
    Ok(number)
}

/// What an error of the kernel means to an installer.
pub(super) fn trouble(device: &Path, error: &io::Error) -> CameraError {
    let device = device.display();
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::NOENT) => {
            CameraError::Gone(detail(format_args!("{device} does not exist; is it plugged in?")))
        }
        Some(rustix::io::Errno::NODEV | rustix::io::Errno::NXIO | rustix::io::Errno::IO) => {
            CameraError::Gone(detail(format_args!("{device} was unplugged")))
        }
        Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => CameraError::Refused(detail(
            format_args!("no permission for {device}; add the user to the group video"),
        )),
        Some(rustix::io::Errno::BUSY) => {
            CameraError::Refused(detail(format_args!("{device} is used by another program")))
        }
        Some(_) | None => CameraError::Refused(detail(format_args!("{device}: {error}"))),
    }
}

/// As [`trouble`], from a message that ends in `(os error N)`, as nokhwa's do.
pub(super) fn trouble_of_message(device: &Path, message: &str) -> CameraError {
    let number =
        message.rsplit_once("(os error ").and_then(|(_, n)| n.trim_end().strip_suffix(')')?.parse().ok());
    match number {
        Some(number) => trouble(device, &io::Error::from_raw_os_error(number)),
        None => CameraError::Refused(detail(format_args!("{}: {message}", device.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_followed_and_what_is_no_camera_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert!(matches!(index(&at("video0")), Err(CameraError::Gone(_))));
        fs::write(at("video7"), "").unwrap();
        std::os::unix::fs::symlink(at("video7"), at("usb-Maker_Camera_0001-video-index0")).unwrap();
        assert_eq!(index(&at("usb-Maker_Camera_0001-video-index0")), Ok(7));
        fs::write(at("card0"), "").unwrap();
        assert!(matches!(index(&at("card0")), Err(CameraError::Refused(_))));
    }

    #[test]
    fn messages_of_the_kernel_are_told_apart() {
        let of = |text: &str| trouble_of_message(Path::new("/dev/video0"), text);
        assert!(matches!(of("Could not capture frame: No such device (os error 19)"), CameraError::Gone(_)));
        assert!(
            matches!(of("V4L2 Error: Device or resource busy (os error 16)"), CameraError::Refused(w) if w.contains("another program"))
        );
        assert!(matches!(of("Not same/Rejected"), CameraError::Refused(_)));
    }
}
