//! The house rules that a compiler does not know: who may name whom, what files are called, how long they grow.
//!
//! Reads `src/` and `standin/src/` as text, without comments, literals and `#[cfg(test)]` items.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "architecture/source.rs"]
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use source::Source;

/// The floors from the ground up: a module names its own floor and those before it.
const FLOORS: [&str; 14] = [
    "secret", "sasl", "proto", "oauth", "mailbox", "tls", "wire", "store", "notice", "tokens",
    "relay", "config", "daemon", "cli",
];

/// The floors without sockets, files, clocks or a runtime.
const PURE: [&str; 5] = ["secret", "sasl", "proto", "oauth", "mailbox"];

/// Crates that bring the world in.
const WORLDLY: [&str; 7] =
    ["reqwest", "rustls", "socket2", "tempfile", "tokio", "tokio_rustls", "tokio_util"];

/// The protocols: a row of the table and its folder, each ignorant of the others.
const PROTOCOLS: [&str; 3] = ["imap", "smtp", "pop3"];

const LONGEST_FILE: usize = 350;
const LONGEST_MEDIAN: usize = 150;

/// Names that say nothing of the field.
const EMPTY_NAMES: [&str; 16] = [
    "common", "context", "contexts", "handler", "handlers", "helper", "helpers", "manager",
    "managers", "misc", "mod", "shared", "type", "types", "util", "utils",
];

/// Every place that opens a secret, and how often. A new one belongs here only when the bytes leave on the wire, to a
/// file or into a comparison right there.
const REVEALS: &[(&str, usize)] = &[
    ("src/cli/password/device.rs", 2),
    ("src/cli/password/hash.rs", 1),
    ("src/cli/token.rs", 2),
    ("src/config/credential.rs", 2),
    ("src/config/mailbox/device.rs", 1),
    ("src/config/mailbox/password.rs", 1),
    ("src/config/secret.rs", 1),
    ("src/mailbox/device.rs", 2),
    ("src/mailbox/directory.rs", 3),
    ("src/mailbox/password.rs", 1),
    ("src/notice/hook.rs", 1),
    ("src/oauth/assertion.rs", 1),
    ("src/oauth/authorization_code.rs", 4),
    ("src/oauth/claims.rs", 1),
    ("src/oauth/command.rs", 2),
    ("src/oauth/endpoint.rs", 7),
    ("src/oauth/inquiry.rs", 1),
    ("src/oauth/managed_identity.rs", 2),
    ("src/proto/imap/upstream.rs", 2),
    ("src/proto/pop3/upstream.rs", 1),
    ("src/proto/smtp/upstream.rs", 1),
    ("src/sasl/oauthbearer.rs", 1),
    ("src/sasl/xoauth2.rs", 1),
    ("src/sasl.rs", 2),
    ("src/store/key.rs", 3),
    ("src/store/record.rs", 2),
    ("src/store/seal.rs", 1),
    ("src/tokens/http.rs", 3),
    ("src/tokens/program.rs", 1),
    ("src/wire/proxy.rs", 2),
];

#[test]
fn every_module_names_only_floors_below_its_own() {
    let upward: Vec<_> = sources("src").iter().flat_map(upward_paths).collect();
    none(&upward, "paths that lead up or aside");
}

#[test]
fn the_crate_root_lists_its_floors_from_the_ground_up() {
    let declared: Vec<String> = root_modules().into_iter().map(|(name, _)| name).collect();
    let in_order: Vec<&str> =
        FLOORS.into_iter().filter(|floor| declared.iter().any(|name| name == floor)).collect();
    assert_eq!(declared, in_order, "`mod` lines of src/lib.rs, and FLOORS");
}

#[test]
fn pure_floors_are_fenced_and_name_no_runtime() {
    let unfenced: Vec<_> = root_modules()
        .into_iter()
        .filter(|(name, _)| PURE.contains(&name.as_str()))
        .filter(|(_, attributes)| !is_fence(attributes))
        .map(|(name, _)| {
            format!("src/lib.rs: `mod {name}` lacks {FENCE}, the lints that clippy.toml feeds")
        })
        .collect();
    none(&unfenced, "pure floors without the fence");

    let worldly: Vec<_> = sources("src")
        .iter()
        .filter(|source| source.floor().is_some_and(|floor| PURE.contains(&floor)))
        .flat_map(|source| source.naming(&WORLDLY))
        .collect();
    none(&worldly, "pure floors that name the world outside");
}

#[test]
fn the_standin_is_an_independent_oracle() {
    let own_kind: Vec<_> =
        sources("standin/src").iter().flat_map(|source| source.naming(&["gatepost"])).collect();
    none(&own_kind, "places where the stand-in leans on gatepost");

    let manifest = fs::read_to_string(root().join("standin/Cargo.toml")).unwrap();
    let dependency = manifest
        .lines()
        .find(|line| line.starts_with("gatepost") || line.starts_with("[dependencies.gatepost"));
    assert_eq!(dependency, None, "standin/Cargo.toml");
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, String)> = ["src", "standin/src"]
        .into_iter()
        .flat_map(sources)
        .map(|source| (source.lines, source.name))
        .collect();
    lengths.sort();
    let (median, _) = lengths[lengths.len() / 2];
    assert!(median <= LONGEST_MEDIAN, "the median file has {median} lines");
    let long: Vec<_> = lengths
        .into_iter()
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, name)| format!("{name}: {lines} lines outside tests"))
        .collect();
    none(&long, "files that outgrew the house");
}

#[test]
fn files_and_functions_are_named_for_the_field() {
    let mut misnamed = Vec::new();
    for source in ["src", "standin/src"].into_iter().flat_map(sources) {
        let stem = Path::new(&source.name).file_stem().unwrap().to_str().unwrap();
        if EMPTY_NAMES.contains(&stem) {
            misnamed.push(source.name.clone());
        }
        let getters = source
            .tokens
            .windows(2)
            .filter(|pair| pair[0].text == "fn" && pair[1].text.starts_with("get_"));
        misnamed.extend(getters.map(|pair| source.at(&pair[1])));
    }
    none(&misnamed, "names that say nothing");
}

#[test]
fn every_reveal_of_a_secret_is_known() {
    let found: Vec<(String, usize)> = sources("src")
        .into_iter()
        .map(|source| {
            let reveals = source.tokens.windows(3).filter(|three| {
                three[0].text != "fn" && three[1].text == "reveal" && three[2].text == "("
            });
            let count = reveals.count();
            (source.name, count)
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    let known: Vec<(String, usize)> =
        REVEALS.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let table: String =
        found.iter().map(|(name, count)| format!("    (\"{name}\", {count}),\n")).collect();
    assert_eq!(
        found, known,
        "secrets are opened elsewhere; if each is right, REVEALS becomes\n{table}"
    );
}

#[test]
fn the_rules_see_what_they_forbid() {
    let found = |file: &str, text: &str| {
        upward_paths(&Source::new(format!("src/{file}"), Path::new(file), text))
    };
    let one = |file, text| assert_eq!(found(file, text).len(), 1, "{file}: {text}");
    one("sasl/plain.rs", "use crate::proto::Refusal;");
    one("sasl/plain.rs", "use crate::{secret::Secret, wire};");
    one("sasl/plain.rs", "use crate::{secret::{A, B as C,}, relay::run as go};");
    one("sasl/plain.rs", "use super::super::{proto};");
    one("sasl.rs", "fn f() { super::relay::run() }");
    one("sasl.rs", "mod inner { use super::super::relay; }");
    one("sasl.rs", "use crate::*;");
    one("journal.rs", "");
    one("proto/smtp/upstream.rs", "use super::super::imap::ROW;");

    let fine = |file, text| assert_eq!(found(file, text), Vec::<String>::new(), "{file}");
    fine("relay.rs", "use crate::{proto::{self, Step}, wire::Wire}; pub(crate) fn f() {}");
    fine("proto/imap/upstream.rs", "use super::{grammar, super::inbox::Inbox};");
    fine("sasl.rs", "// crate::relay\n/* crate::relay /* */ */ const S: &str = \"crate::cli\";");
    fine("sasl.rs", "#[cfg(test)]\nmod tests { use crate::relay; }");
    fine("sasl.rs", "const Q: char = '\"'; const R: &str = r#\"crate::\"cli\"#;");
}

#[test]
fn nothing_points_into_a_developers_machine() {
    // In two pieces, for this file is read too.
    let roots = ["ho", "ro", "wo", "Us"]
        .into_iter()
        .zip(["me", "ot", "rk", "ers"])
        .map(|(one, two)| format!("/{one}{two}/"));
    let roots: Vec<String> = roots.collect();
    let folders = [
        "src", "standin", "tests", "fuzz", "benches", "docs", "contrib", "certs", ".ci", ".github",
    ];
    let mut paths = entries(&root());
    paths.retain(|path| path.is_file());
    paths.extend(folders.iter().flat_map(|folder| files(&root().join(folder))));
    let mut pointing = Vec::new();
    for path in paths {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let found = roots.iter().find(|root| text.contains(*root));
        pointing.extend(found.map(|found| format!("{}: {found}", path.display())));
    }
    none(&pointing, "absolute paths of somebody's machine");
}

const FENCE: &str = "#[deny(clippy::disallowed_methods, clippy::disallowed_types)]";

fn is_fence(attributes: &str) -> bool {
    let denies = attributes.contains("deny(") || attributes.contains("forbid(");
    let both = attributes.contains("clippy::disallowed_methods")
        && attributes.contains("clippy::disallowed_types");
    denies && both
}

/// The `mod` lines of the crate root, each with the attribute lines above it.
fn root_modules() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut attributes = String::new();
    let mut modules = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
        match words.as_slice() {
            ["mod", name] | ["pub" | "pub(crate)", "mod", name] => {
                modules.push(((*name).to_owned(), std::mem::take(&mut attributes)));
            }
            [] | ["//!", ..] => attributes.clear(),
            _ => attributes.push_str(line),
        }
    }
    modules
}

fn upward_paths(source: &Source) -> Vec<String> {
    let Some(floor) = source.floor() else {
        return Vec::new();
    };
    let Some(own) = rank(floor) else {
        return vec![format!("{}: `{floor}` has no place in FLOORS", source.name)];
    };
    let forbidden = |path: &[String]| {
        let Some(first) = path.first() else {
            return false;
        };
        let above = rank(first).is_none_or(|theirs| theirs > own);
        above || names_other_protocol(&source.module, path)
    };
    source
        .root_paths()
        .into_iter()
        .filter(|(_, path)| forbidden(path))
        .map(|(line, path)| format!("{}:{line}: {}", source.name, path.join("::")))
        .collect()
}

fn names_other_protocol(module: &[String], path: &[String]) -> bool {
    let protocol = |segments: &[String]| match segments {
        [floor, name, ..] if floor == "proto" => PROTOCOLS.into_iter().find(|p| p == name),
        _ => None,
    };
    match (protocol(module), protocol(path)) {
        (Some(ours), Some(theirs)) => ours != theirs,
        _ => false,
    }
}

fn rank(floor: &str) -> Option<usize> {
    FLOORS.iter().position(|known| *known == floor)
}

#[track_caller]
fn none(found: &[String], what: &str) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    let mut paths = files(&root().join(folder));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    paths.retain(|path| path.file_stem().is_some_and(|stem| stem != "tests"));
    assert!(!paths.is_empty(), "no sources in {folder}");
    paths
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(root().join(folder)).unwrap();
            let name = Path::new(folder).join(inside).display().to_string();
            Source::new(name, inside, &fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The files below a folder, without what builds and runs leave behind.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files_found, folders): (Vec<PathBuf>, Vec<PathBuf>) =
        entries(folder).into_iter().partition(|path| path.is_file());
    files_found.extend(folders.iter().flat_map(|folder| files(folder)));
    files_found.sort();
    files_found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let left_behind = ["target", "corpus", "artifacts", "__pycache__", ".git"];
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !left_behind.iter().any(|name| path.ends_with(name)))
        .collect()
}
