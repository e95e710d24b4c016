//! The key file: made once, guarded, never replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ostiary::store::{KeyError, Options, SealKey, Store};

use crate::common::{person, place};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_is_made_once_and_opens_the_gallery_again() {
    let place = place();
    let key = place.path.with_file_name("keys").join("ostiary.key");
    let store =
        Store::open(&place.path, SealKey::load_or_create(&key, &place.path).unwrap(), Options::default())
            .unwrap();
    store.put_person(&person(1), &[]).unwrap();
    drop(store);
    assert_eq!((mode(&key), mode(key.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read(&key).unwrap().len(), 32);
    assert_eq!(fs::read_dir(key.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(mode(&place.path), 0o600);
    let again = SealKey::load_or_create(&key, &place.path).unwrap();
    assert_eq!(format!("{again:?}"), "SealKey(<redacted>)");
    assert_eq!(Store::open(&place.path, again, Options::default()).unwrap().counts().people, 1);
}

#[test]
fn no_new_key_is_made_for_an_old_gallery() {
    let place = place();
    drop(place.open());
    let key = place.path.with_file_name("ostiary.key");
    let error = SealKey::load_or_create(&key, &place.path).unwrap_err();
    assert!(matches!(error, KeyError::Missing { .. }));
    assert!(error.to_string().contains("put the key back"), "{error}");
    assert!(!key.exists());
}

#[test]
fn a_key_that_others_may_read_or_replace_is_refused() {
    let place = place();
    let key = place.path.with_file_name("keys").join("ostiary.key");
    SealKey::load_or_create(&key, &place.path).unwrap();
    for bad in [0o640, 0o604, 0o620, 0o606] {
        set_mode(&key, bad);
        let error = SealKey::load_or_create(&key, &place.path).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { right: 0o600, .. }), "{bad:o}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    set_mode(&key, 0o600);
    set_mode(key.parent().unwrap(), 0o770);
    let error = SealKey::load_or_create(&key, &place.path).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
    set_mode(key.parent().unwrap(), 0o750);
    SealKey::load_or_create(&key, &place.path).unwrap();
}

#[test]
fn what_is_no_key_is_refused() {
    let place = place();
    let key = place.path.with_file_name("ostiary.key");
    for bad in [&[1_u8; 31][..], &[1; 33], &[], &[0; 32]] {
        fs::write(&key, bad).unwrap();
        set_mode(&key, 0o600);
        assert!(matches!(SealKey::load_or_create(&key, &place.path), Err(KeyError::NoKey { .. })));
    }
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    set_mode(&key, 0o700);
    assert!(matches!(SealKey::load_or_create(&key, &place.path), Err(KeyError::NoKey { .. })));
}

#[test]
fn a_credential_is_read_where_the_service_manager_put_it() {
    let place = place();
    let credential = place.path.with_file_name("ostiary-key");
    assert!(matches!(SealKey::from_credential(&credential), Err(KeyError::Absent(_))));
    fs::write(&credential, [9; 32]).unwrap();
    // How systemd shows one to a service that is not root: the group bits are the mask of an access list.
    set_mode(&credential, 0o440);
    SealKey::from_credential(&credential).unwrap();
    set_mode(&credential, 0o444);
    assert!(matches!(SealKey::from_credential(&credential), Err(KeyError::Exposed { .. })));
}
