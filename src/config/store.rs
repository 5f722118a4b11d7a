//! `[store]`: the key that stored sign-ins are sealed with.

use toml::Spanned;

use super::document::Section;
use super::problem::Report;
use super::secret::{Forms, Inline};
use crate::store::{KeySource, Keys};

/// Reads the table. A key file is kept by its path, since it may change while gatepost runs.
pub(super) fn read(mut section: Section<'_>, report: &Report<'_>) -> KeySource {
    let forms = Forms::take(&mut section, "key", report);
    section.finish(report);
    let file = forms.file();
    let Some(text) = forms.resolve("key", Inline::Discouraged, report) else {
        return KeySource::Generated;
    };
    match (Keys::parse(text.get_ref()), file) {
        (Ok(_), Some(file)) => KeySource::File(file),
        (Ok(keys), None) => KeySource::Given(keys),
        (Err(error), _) => {
            report.problem(Spanned::span(&text), format!("no key: {error}"), "this gives no key");
            KeySource::Generated
        }
    }
}
