use std::time::Duration;

use super::*;
use crate::mailbox::{Day, PasswordDigest, Scope};
use crate::secret::Secret;

fn record(mailbox: &str, name: &str) -> DeviceRecord {
    let created: Day = "2026-11-22".parse().unwrap();
    DeviceRecord {
        mailbox: mailbox.to_owned(),
        name: name.parse().unwrap(),
        password: Some(PasswordDigest::of(mailbox, &Secret::from("x")).to_string()),
        scope: Scope {
            protocols: vec!["smtp"],
            networks: vec!["10.0.0.0/8".parse().unwrap(), "fd00::1".parse().unwrap()],
            expires: Some("2027-01-31".parse().unwrap()),
        },
        created,
        revoked: None,
        cut: Some(created.start() + Duration::from_millis(1)),
    }
}

fn store() -> (tempfile::TempDir, DeviceStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = DeviceStore::at(&folder.path().join("state"));
    (folder, store)
}

#[test]
fn a_record_reads_as_it_was_written() {
    let (_folder, store) = store();
    assert_eq!(store.modified().unwrap(), None);
    assert!(store.load().unwrap().records.is_empty());
    let saved = [record("a@b", "fax"), record("a@b", "lobby"), record("é/..@b", "fax")];
    saved.iter().rev().for_each(|record| store.save(record).unwrap());
    assert_eq!(store.load().unwrap().records, saved);
    assert_eq!(store.find("A@B", &"FAX".parse().unwrap()).unwrap().as_ref(), Some(&saved[0]));
    assert_eq!(store.find("a@b", &"other".parse().unwrap()).unwrap(), None);
    assert!(store.modified().unwrap().is_some());
}

#[test]
fn a_damaged_record_lets_nobody_in_and_nobody_out() {
    let (_folder, store) = store();
    store.save(&record("a@b", "fax")).unwrap();
    store.save(&record("a@b", "lobby")).unwrap();
    let path = store.path("a@b", &"fax".parse().unwrap());
    let good = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("10.0.0.0/8", "10.0.0.0/99"),
        ("\"smtp\"", "\"gopher\""),
        ("2027-01-31", "2027-02-31"),
        ("sha256:", "sha512:"),
        ("\"networks\"", "\"nets\""),
        ("{", ""),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let found = store.load().unwrap();
        assert_eq!(found.records, [record("a@b", "lobby")], "{from} -> {to}");
        assert_eq!(found.troubles.len(), 1);
        assert!(!found.troubles[0].to_string().contains("sha"), "{}", found.troubles[0]);
    }
}

#[test]
fn uses_read_as_they_were_written() {
    let (_folder, store) = store();
    assert!(store.uses().is_empty());
    store.save(&record("a@b", "fax")).unwrap();
    let uses = Uses::from([("a@b".to_owned(), BTreeMap::from([("fax".to_owned(), 7)]))]);
    store.save_uses(&uses).unwrap();
    assert_eq!(store.uses(), uses);
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_and_where_others_write_nothing_is_believed() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, store) = store();
    store.save(&record("a@b", "fax")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.path("a@b", &"fax".parse().unwrap())), 0o600);
    assert_eq!(mode(&store.directory), 0o700);
    fs::set_permissions(&store.directory, fs::Permissions::from_mode(0o770)).unwrap();
    assert!(matches!(store.load(), Err(Trouble::Exposed { .. })));
}
