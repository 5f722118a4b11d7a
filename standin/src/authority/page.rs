//! The pages that people see: plain forms that work without a script.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:26em;margin:4em auto;padding:0 1em}label,input{display:block;width:100%;box-sizing:border-box}input{margin:.2em 0 1em;padding:.5em;font:inherit}button{padding:.5em 1.5em;font:inherit}.problem{color:#b00020}";

/// A page on which somebody signs in.
pub(super) struct SignIn<'p> {
    /// The application that asks, or the words in its place.
    pub(super) app: &'p str,
    /// The address in the account field.
    pub(super) account: &'p str,
    /// Why the last attempt failed.
    pub(super) problem: Option<&'p str>,
    /// The code of a device, on the page that asks for it.
    pub(super) user_code: Option<&'p str>,
    /// Value and words of the button that agrees.
    pub(super) yes: (&'p str, &'p str),
    /// Value and words of the button that doesn't.
    pub(super) no: (&'p str, &'p str),
}

impl IntoResponse for SignIn<'_> {
    fn into_response(self) -> Response {
        let problem = self.problem.map_or_else(String::new, |problem| {
            format!("<p class=\"problem\" id=\"problem\" role=\"alert\">{}</p>", escaped(problem))
        });
        let code = self.user_code.map_or_else(String::new, |code| {
            format!(
                "<label for=\"user_code\">Code</label><input id=\"user_code\" name=\"user_code\" value=\"{}\" autocomplete=\"off\">",
                escaped(code)
            )
        });
        let (account, (yes, agree), (no, decline)) = (escaped(self.account), self.yes, self.no);
        let body = format!(
            "<p>to continue to <strong id=\"app\">{}</strong></p>{problem}\
             <form method=\"post\">{code}\
             <label for=\"login\">Account</label><input id=\"login\" name=\"login\" type=\"email\" value=\"{account}\" autocomplete=\"username\">\
             <label for=\"passwd\">Password</label><input id=\"passwd\" name=\"passwd\" type=\"password\" autocomplete=\"current-password\">\
             <button id=\"{yes}\" name=\"choice\" value=\"{yes}\">{agree}</button> \
             <button id=\"{no}\" name=\"choice\" value=\"{no}\" formnovalidate>{decline}</button>\
             </form>",
            escaped(self.app)
        );
        page("Sign in to your account", &body)
    }
}

/// A page that says something and asks nothing.
pub(super) fn notice(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!("<p id=\"notice\">{}</p>", escaped(text));
    (status, page(title, &body)).into_response()
}

fn page(title: &str, body: &str) -> Response {
    Html(format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    ))
    .into_response()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_query_brings_stays_text() {
        assert_eq!(super::escaped(r#"<a href='"'>&"#), "&lt;a href=&#39;&quot;&#39;&gt;&amp;");
    }
}
