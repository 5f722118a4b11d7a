//! What a browser that comes back is told, once it is true.

/// A page and its status.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) html: String,
}

/// The sign-in is on disk.
pub(super) fn success(mailbox: &str, account: Option<&str>) -> Page {
    let by = account.map(|account| format!(" as {account}")).unwrap_or_default();
    page(
        200,
        "Signed in",
        &format!("gatepost is signed in for {mailbox}{by}. This window may be closed."),
    )
}

/// It came to nothing.
pub(super) fn failure(mailbox: &str, reason: &str) -> Page {
    let text = format!("gatepost isn't signed in for {mailbox}. {reason}");
    page(403, "Not signed in", &text)
}

/// What came isn't the answer to this sign-in, which goes on waiting.
pub(super) fn stray() -> Page {
    page(
        400,
        "Not this sign-in",
        "This isn't the end of the sign-in that gatepost waits for, perhaps of an earlier one. Use the address that gatepost shows now.",
    )
}

/// There is nothing else here.
pub(super) fn nothing() -> Page {
    page(
        404,
        "Nothing here",
        "gatepost waits here for the end of a sign-in, and serves nothing else.",
    )
}

fn page(status: u16, title: &str, text: &str) -> Page {
    let (title, text) = (escaped(title), escaped(text));
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title} - gatepost</title>\n\
         <style>body{{font:1.1rem/1.5 sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}}</style></head>\n\
         <body><h1>{title}</h1><p>{text}</p></body>\n</html>\n"
    );
    Page { status, html }
}

/// Text that is no markup: part of it is an authority's or an account's.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_no_markup() {
        let page = failure("a@b.example", "<script>alert(\"1\")</script> & 'so on'");
        assert!(
            page.html.contains(
                "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;so on&#39;"
            )
        );
        assert!(!page.html.contains("<script"));
    }
}
