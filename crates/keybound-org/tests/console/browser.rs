//! An administrator's browser: it keeps cookies, follows no redirect, and sends forms as pages have them.

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use crate::support::{TestOrg, url_encoded};

pub const SIGN_IN: &str = "/admin/sign-in";

/// A page, or a redirect, that the browser was shown.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

impl Page {
    pub fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |location| location.to_str().unwrap())
    }

    /// What the form that sends to `action` holds, in its inputs and text areas.
    pub fn form(&self, action: &str) -> BTreeMap<String, String> {
        let opening = format!("action=\"{action}\"");
        let forms = self.html.split("<form ").skip(1);
        let form =
            forms.map(|form| form.split("</form>").next().unwrap()).find(|form| form.contains(&opening));
        let form = form.unwrap_or_else(|| panic!("no form sends to {action}: {}", self.html));
        let inputs = form.split("<input ").skip(1).map(|tag| tag.split('>').next().unwrap());
        let inputs = inputs.filter(|tag| {
            let is_box = tag.contains("type=\"checkbox\"") || tag.contains("type=\"radio\"");
            !is_box || tag.contains(" checked")
        });
        let value = |tag: &str| attribute(tag, "value").unwrap_or_default();
        let mut fields: BTreeMap<_, _> =
            inputs.filter_map(|tag| Some((attribute(tag, "name")?, value(tag)))).collect();
        for area in form.split("<textarea ").skip(1) {
            let (tag, rest) = area.split_once('>').unwrap();
            let text = unescaped(rest.split("</textarea>").next().unwrap());
            fields.insert(attribute(tag, "name").unwrap(), text.trim_start_matches('\n').to_owned());
        }
        fields
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = format!(" {tag}").split(&format!(" {name}=\"")).nth(1)?.split('"').next()?.to_owned();
    Some(unescaped(&value))
}

pub fn unescaped(text: &str) -> String {
    let entities = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// A browser with its cookies.
pub struct Browser {
    http: reqwest::Client,
    origin: String,
    pub cookies: BTreeMap<String, String>,
    /// Header fields that it sends with everything.
    pub fields: HeaderMap,
}

impl Browser {
    pub fn new(test: &TestOrg) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, origin: test.url(""), cookies: BTreeMap::new(), fields: HeaderMap::new() }
    }

    /// One in which the administrator has signed in.
    pub async fn signed_in(test: &TestOrg) -> Self {
        let mut browser = Self::new(test);
        let page = browser.open(SIGN_IN).await;
        let page = browser.submit(&page, SIGN_IN, &[("token", test.org.admin_token())]).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");
        browser
    }

    pub async fn open(&mut self, path: &str) -> Page {
        self.send(self.http.get(format!("{}{path}", self.origin))).await
    }

    /// Sends a form of the page, with these fields in place of its own.
    pub async fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let mut form = page.form(action);
        form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(action, &form).await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Page {
        let request = self.http.post(format!("{}{path}", self.origin));
        self.send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(url_encoded(form)))
            .await
    }

    /// Opens what does not end by itself; gives the answer before its body.
    #[allow(dead_code, reason = "this file is part of two tests, one of which has such pages")]
    pub async fn listen(&self, path: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.origin)).header(COOKIE, self.cookie_field());
        request.send().await.unwrap()
    }

    fn cookie_field(&self) -> String {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        cookies.collect::<Vec<_>>().join("; ")
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let cookies = self.cookie_field();
        let request = if cookies.is_empty() { request } else { request.header(COOKIE, cookies) };
        let answer = request.headers(self.fields.clone()).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Page { status, headers, html: answer.text().await.unwrap() }
    }
}
