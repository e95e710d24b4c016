//! The Debian package, made of this build's program and put into an empty root: installed, upgraded, removed, purged.
//!
//! Owns: what lies where, what survives what, that two makings give the same bytes. Does not own: what the units do
//! (`systemd`). Invariant: nothing outside the scratch folder is touched; without dpkg or root's rights the tests are
//! skipped and say so.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::skip;

const OSTIARY: &str = env!("CARGO_BIN_EXE_ostiary");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    output
}

fn package(version: &str, folder: &Path) -> PathBuf {
    let script = Path::new(ROOT).join("scripts/package");
    let mut command = Command::new(script);
    command.args(["--fast", "--program", OSTIARY, "--version", version]).arg(folder);
    // A tree without history has no time of a last commit.
    command.env("SOURCE_DATE_EPOCH", "1795254060");
    let output = run(&mut command);
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// What is missing here for these tests, if anything.
fn lacks() -> Option<&'static str> {
    let have = |name: &str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    for tool in ["dpkg-deb", "dpkg", "strip", "systemd-sysusers", "systemd-tmpfiles", "systemctl"] {
        if !have(tool) {
            return Some(tool);
        }
    }
    let own = fs::metadata("/proc/self").map(|m| m.uid());
    (own.ok() != Some(0)).then_some("the rights of root, which own what a package holds")
}

struct Image(tempfile::TempDir);

impl Image {
    fn new() -> Self {
        let image = Self(tempfile::tempdir().expect("a scratch folder"));
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "usr/bin", "var/log"] {
            fs::create_dir_all(image.path(folder)).expect("a folder");
        }
        fs::write(image.path("var/lib/dpkg/status"), "").expect("a file");
        image
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// dpkg on this image; the maintainer's scripts run outside of it and honour `DPKG_ROOT`.
    fn dpkg(&self, arguments: &[&str]) {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", self.0.path().display()));
        command.args(["--force-script-chrootless", "--force-depends", "--force-confold"]).args(arguments);
        run(&mut command);
    }

    fn enabled(&self) -> bool {
        let wants = |name: &str| self.path(&format!("etc/systemd/system/{name}")).symlink_metadata().is_ok();
        wants("multi-user.target.wants/ostiary.service") && wants("sysinit.target.wants/ostiary-lock.service")
    }
}

#[test]
fn installed_upgraded_removed_and_purged() {
    if let Some(lack) = lacks() {
        skip!("no {lack}");
    }
    let out = tempfile::tempdir().expect("a folder");
    let again = tempfile::tempdir().expect("a folder");
    let first = package("0.1.0", out.path());
    let same = package("0.1.0", again.path());
    assert!(
        fs::read(&first).expect("a package") == fs::read(&same).expect("a package"),
        "two makings differ"
    );
    let listing = run(Command::new("dpkg-deb").arg("--contents").arg(&first)).stdout;
    let listing = String::from_utf8_lossy(&listing).into_owned();
    for line in listing.lines() {
        assert!(line.contains(" root/root "), "{line}");
    }

    let image = Image::new();
    image.dpkg(&["--install", first.to_str().expect("UTF-8")]);
    for file in [
        "usr/bin/ostiary",
        "usr/lib/systemd/system/ostiary.service",
        "usr/lib/systemd/system/ostiary-lock.service",
        "usr/lib/sysusers.d/ostiary.conf",
        "usr/lib/udev/rules.d/60-ostiary.rules",
        "usr/share/ostiary/board/raspberry-pi-5.toml",
        "usr/share/ostiary/models/manifest.toml",
        "usr/share/ostiary/models/ostiary-detect-320.onnx",
        "usr/share/ostiary/models/ostiary-embed.onnx",
        "usr/share/ostiary/models/ostiary-live-27.onnx",
        "usr/share/man/man1/ostiary.1.gz",
        "usr/share/bash-completion/completions/ostiary",
        "usr/share/zsh/vendor-completions/_ostiary",
        "usr/share/fish/vendor_completions.d/ostiary.fish",
        "usr/share/doc/ostiary/install.md",
        "usr/share/doc/ostiary/copyright",
    ] {
        assert!(image.path(file).is_file(), "{file}");
    }
    assert!(image.enabled(), "the units are switched on");
    let data = fs::metadata(image.path("var/lib/ostiary")).expect("the data folder is there");
    assert_eq!(data.permissions().mode() & 0o7777, 0o700);
    assert_ne!(data.uid(), 0, "it belongs to the account");
    let account = fs::read_to_string(image.path("etc/passwd")).expect("accounts");
    assert!(account.lines().any(|l| l.starts_with(&format!("ostiary:x:{}:", data.uid()))), "{account}");
    let settings = image.path("etc/ostiary/ostiary.toml");
    let program = image.path("usr/bin/ostiary");
    let checked = Command::new(&program).args(["config", "check", "--config"]).arg(&settings).output();
    assert!(checked.expect("it runs").status.success(), "the settings that come with it are sound");

    // What people made and changed stays over an upgrade; so does what an administrator switched off.
    fs::write(image.path("var/lib/ostiary/gallery.redb"), "people").expect("written");
    fs::write(image.path("etc/ostiary/board.toml"), "name = \"mine\"").expect("written");
    let mine = "[access]\nstrike_s = 7\n";
    fs::write(&settings, mine).expect("written");
    fs::remove_file(image.path("etc/systemd/system/multi-user.target.wants/ostiary.service")).expect("there");
    let second = package("0.1.1", out.path());
    image.dpkg(&["--install", second.to_str().expect("UTF-8")]);
    let kept = |file: &str| fs::read_to_string(image.path(file)).unwrap_or_default();
    assert_eq!(kept("var/lib/ostiary/gallery.redb"), "people");
    assert_eq!(kept("etc/ostiary/board.toml"), "name = \"mine\"");
    assert_eq!(kept("etc/ostiary/ostiary.toml"), mine);
    assert!(!image.enabled(), "nobody switched it on again");

    image.dpkg(&["--remove", "ostiary"]);
    assert!(!program.exists() && !image.path("usr/lib/systemd/system/ostiary.service").exists());
    assert_eq!(kept("var/lib/ostiary/gallery.redb"), "people", "removing is not erasing");
    assert_eq!(kept("etc/ostiary/ostiary.toml"), mine);

    image.dpkg(&["--purge", "ostiary"]);
    assert!(!image.path("var/lib/ostiary").exists(), "people are personal data");
    assert!(!image.path("etc/ostiary").exists());
}
