use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::secret::Secret;
use crate::store::Keys;
use crate::store::files::{UNFINISHED, WORK, mode};

const ALICE: &str = "alice@contoso.example";

fn record(mailbox: &str, token: &str) -> Record {
    Record {
        mailbox: mailbox.to_owned(),
        token_endpoint: "https://login.example/token".to_owned(),
        client_id: "app".to_owned(),
        refresh_token: Secret::from(token),
        seed: Some(Record::fingerprint(&Secret::from("seed"))),
        refreshed_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    }
}

fn store() -> (TempDir, Store) {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path().join("deep/tokens")).unwrap();
    (state, store)
}

fn files(store: &Store) -> Vec<String> {
    let entries = fs::read_dir(&store.directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_was_saved_is_loaded_also_by_the_next_process() {
    let (_state, store) = store();
    assert_eq!(store.load(ALICE).unwrap(), None);
    store.save(&record(ALICE, "one")).unwrap();
    store.save(&record(ALICE, "two")).unwrap();
    store.save(&record("bob@contoso.example", "three")).unwrap();
    let next = Store::open(&store.directory).unwrap();
    assert_eq!(next.load(ALICE).unwrap(), Some(record(ALICE, "two")));
    assert_eq!(files(&store).iter().filter(|name| name.ends_with(SUFFIX)).count(), 2);
}

#[test]
fn an_address_means_the_same_in_any_case() {
    let (_state, store) = store();
    store.save(&record("Alice@Contoso.Example", "one")).unwrap();
    assert_eq!(store.load("ALICE@contoso.example").unwrap(), Some(record(ALICE, "one")));
}

#[test]
fn a_crash_before_the_rename_leaves_the_old_record_and_later_no_litter() {
    let (_state, store) = store();
    store.save(&record(ALICE, "old")).unwrap();
    let litter = store.directory.join(format!("{UNFINISHED}Ab3x"));
    fs::write(&litter, br#"{"version":1,"refresh_tok"#).unwrap();

    let young = Store::open(&store.directory).unwrap();
    assert_eq!(young.load(ALICE).unwrap(), Some(record(ALICE, "old")));
    assert!(litter.exists(), "another process may be writing it");

    let past = SystemTime::now() - 2 * WORK;
    fs::File::options().write(true).open(&litter).unwrap().set_modified(past).unwrap();
    let old = Store::open(&store.directory).unwrap();
    assert_eq!(old.load(ALICE).unwrap(), Some(record(ALICE, "old")));
    assert!(!litter.exists());
}

#[test]
fn a_save_that_fails_leaves_the_old_record_and_no_litter() {
    let (_state, store) = store();
    store.save(&record(ALICE, "old")).unwrap();
    // A directory in the way of the rename.
    fs::create_dir_all(store.directory.join("bob@contoso.example.json/x")).unwrap();
    let trouble = store.save(&record("bob@contoso.example", "new")).unwrap_err();
    assert!(trouble.to_string().starts_with("can't write "), "{trouble}");
    assert_eq!(store.load(ALICE).unwrap(), Some(record(ALICE, "old")));
    assert!(!files(&store).iter().any(|name| name.starts_with(UNFINISHED)));
}

#[test]
fn a_damaged_record_is_set_aside_and_hurts_nobody_else() {
    let clear = record(ALICE, "one").encode().unwrap();
    let clear = std::str::from_utf8(&clear).unwrap();
    for damaged in [
        &clear[..clear.len() / 2],
        "",
        "{}",
        &clear.replace("\"version\": 1", "\"version\": 2"),
        &clear.replace("\"version\": 1", "\"version\": 3"),
        &clear.replace(ALICE, "mallory@contoso.example"),
        &clear.replace("\"one\"", "1"),
    ] {
        let (_state, store) = store();
        store.save(&record(ALICE, "one")).unwrap();
        store.save(&record("bob@contoso.example", "two")).unwrap();
        overwrite(&store.path(ALICE), damaged);
        let trouble = store.load(ALICE).unwrap_err();
        let Trouble::Damaged { aside, .. } = &trouble else { panic!("{trouble}") };
        assert_eq!(fs::read_to_string(aside).unwrap(), damaged);
        assert!(!trouble.to_string().contains("one"), "{trouble}");
        assert_eq!(store.load(ALICE).unwrap(), None);
        assert!(store.load("bob@contoso.example").unwrap().is_some());
        store.save(&record(ALICE, "three")).unwrap();
        assert_eq!(store.load(ALICE).unwrap(), Some(record(ALICE, "three")));
    }
}

#[test]
fn a_record_in_clear_is_read_and_sealed_by_the_next_save() {
    let (_state, store) = store();
    store.save(&record("bob@contoso.example", "two")).unwrap();
    let earlier = r#"{"version":1,"mailbox":"alice@contoso.example","token_endpoint":"https://login.example/token",
        "client_id":"app","refresh_token":"one","seed":null}"#;
    let path = store.path(ALICE);
    fs::copy(store.path("bob@contoso.example"), &path).unwrap();
    overwrite(&path, earlier);
    let read = store.load(ALICE).unwrap().unwrap();
    assert_eq!(read.refreshed_at, SystemTime::UNIX_EPOCH);
    store.save(&read).unwrap();
    assert!(!fs::read_to_string(&path).unwrap().contains("refresh_token"));
    assert_eq!(store.load(ALICE).unwrap(), Some(read));
}

fn overwrite(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

#[cfg(unix)]
#[test]
fn files_are_for_the_owner_alone() {
    let (_state, store) = store();
    store.save(&record(ALICE, "one")).unwrap();
    assert_eq!(mode(&fs::metadata(&store.directory).unwrap()) & 0o777, 0o700);
    for name in files(&store) {
        let metadata = fs::metadata(store.directory.join(&name)).unwrap();
        assert_eq!(mode(&metadata) & 0o777, 0o600, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn what_others_may_read_or_replace_is_refused_with_the_line_to_run() {
    use std::os::unix::fs::PermissionsExt;
    let (_state, store) = store();
    store.save(&record(ALICE, "one")).unwrap();
    let path = store.path(ALICE);
    for exposed in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(exposed)).unwrap();
        let trouble = store.load(ALICE).unwrap_err();
        assert!(trouble.to_string().contains(&format!("chmod 600 '{}'", path.display())));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(store.load(ALICE).unwrap().is_some());

    fs::set_permissions(&store.directory, fs::Permissions::from_mode(0o770)).unwrap();
    let trouble = Store::open(&store.directory).unwrap_err();
    assert!(trouble.to_string().contains("chmod 700 '"), "{trouble}");
}

#[test]
fn debug_and_errors_show_no_token() {
    let shown = format!("{:?}", record(ALICE, "hunter2"));
    assert!(!shown.contains("hunter2"));
}

#[test]
fn file_names_stay_readable_and_in_the_directory() {
    assert_eq!(file_name(ALICE), "alice@contoso.example.json");
    assert_eq!(file_name("../../etc/passwd"), "%2e.%2f..%2fetc%2fpasswd.json");
    assert_eq!(file_name(".hidden"), "%2ehidden.json");
    assert_eq!(file_name("a%2fb"), "a%252fb.json");
}

#[test]
fn long_addresses_differ_to_the_last_letter() {
    let names: HashSet<_> =
        ["a", "b", "c"].iter().map(|last| file_name(&("x".repeat(400) + last))).collect();
    assert_eq!(names.len(), 3);
}

proptest! {
    #[test]
    fn any_address_has_a_file_of_its_own(one in "\\PC{1,300}", two in "\\PC{1,300}") {
        for address in [&one, &two] {
            let name = file_name(address);
            prop_assert!(name.len() <= 160);
            prop_assert!(!name.starts_with('.') && !name.starts_with(UNFINISHED));
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(!name.contains(['/', '\\', ':']));
        }
        prop_assert_eq!(one == two, file_name(&one) == file_name(&two));
    }

    #[test]
    fn any_bytes_in_place_of_a_record_are_an_answer(bytes in any::<Vec<u8>>()) {
        let _ = Record::decode(ALICE, &bytes);
        let _ = seal::read(Zeroizing::new(bytes));
    }

    #[test]
    fn a_sealed_record_opens_as_it_was_written_or_not_at_all(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let keys = Keys::parse(&Secret::new("07".repeat(32))).unwrap();
        let key = keys.first().unwrap();
        let clear = record(ALICE, "one").encode().unwrap();
        let mut file = seal::seal(key, ALICE, &clear).unwrap();
        let at = at.index(file.len());
        file[at] ^= flip;
        if let Ok(Content::Sealed(envelope)) = seal::read(Zeroizing::new(file)) {
            let opened = envelope.open(ALICE, key);
            prop_assert!(opened.is_err() || opened.unwrap() == clear);
        }
    }
}

proptest! {
    // Each writes to the disk and waits for it.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_record_survives_the_disk(token in "\\PC+", seed in any::<Option<String>>(), client_id in any::<String>()) {
        let (_state, store) = store();
        let record = Record { client_id, seed, ..record(ALICE, &token) };
        store.save(&record).unwrap();
        prop_assert_eq!(store.load(ALICE).unwrap(), Some(record));
    }
}
