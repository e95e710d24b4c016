//! TLS with client certificates against a Mosquitto that demands them.

use std::path::{Path, PathBuf};

use ostiary::device::clock_os::pause;
use ostiary::domain::Millis;
use ostiary::link::mqtt::{MqttConfig, Tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::broker::{free_port, need_broker, within};
use crate::house::House;

/// An authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority of this test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_door_and_its_broker_know_each_other_by_their_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new();
    let (certificate, key) = ours.issue("127.0.0.1");
    let tls_port = free_port();
    let listener = format!(
        "listener {tls_port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        file(folder.path(), "ca.pem", &ours.pem).display(),
        file(folder.path(), "broker.pem", &certificate).display(),
        file(folder.path(), "broker.key", &key).display(),
    );
    let broker = need_broker!(&listener);
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let house = House::new();
    house.happen(3);
    let config = |authority: &str, client: Option<(String, String)>| {
        let mut config: MqttConfig = House::config(tls_port);
        let client = client.map(|(certificate, key)| (certificate.into_bytes(), key.into_bytes()));
        config.broker.tls = Some(Tls { authority: Some(authority.as_bytes().to_vec()), client });
        config
    };

    // Without a certificate, with a stranger's, to a broker that a stranger vouches for: never.
    let strangers = Authority::new();
    let refused = [
        config(&ours.pem, None),
        config(&ours.pem, Some(strangers.issue("front"))),
        config(&strangers.pem, Some(ours.issue("front"))),
    ];
    for config in refused {
        let link = house.link(config);
        pause(Millis(1_500));
        assert!(!house.nudge.up(), "refused by one side or the other");
        drop(link);
    }
    assert!(ear.drain().is_empty());
    assert_eq!(house.store.depth(), 3, "nothing counts as delivered");

    let _link = house.link(config(&ours.pem, Some(ours.issue("front"))));
    ear.hear("online", |h| h.payload == "online");
    within(10_000, "events arrive over TLS", || (house.store.depth() == 0).then_some(()));
}
