//! `URL` by the `url` crate: the very parser that the host's guard uses.
//!
//! This build of it has no tables for host names beyond ASCII (`idna_adapter` 1.0 in the lock
//! file); such names are the host's to read, and what comes back is plain.

use javy::quickjs::{Array, Ctx, Result, Value, prelude::Opt};
use url::{Url, form_urlencoded, quirks};

use crate::bindings;

/// Longest text that the host is asked to read, in bytes.
const MAX_HOST_BYTES: usize = 64 * 1024;

/// The parts of a URL as `js/url.js` keeps them, or `null` when it does not parse.
pub fn parse<'js>(ctx: Ctx<'js>, input: String, base: Opt<Option<String>>) -> Result<Value<'js>> {
    match parse_any(&input, base.0.flatten().as_deref()) {
        Some(url) => parts(&ctx, &url),
        None => Ok(Value::new_null(ctx)),
    }
}

fn parse_any(input: &str, base: Option<&str>) -> Option<Url> {
    let parsed = match base {
        Some(base) => parse_any(base, None)?.join(input).ok(),
        None => Url::parse(input).ok(),
    };
    // What has neither of these has no host that needs the tables.
    let may_be_name = !input.is_ascii() || input.contains('%');
    let is_for_host = parsed.as_ref().map_or(may_be_name, has_punycode);
    if !is_for_host {
        return parsed;
    }
    if input.len() + base.map_or(0, str::len) > MAX_HOST_BYTES {
        return None;
    }
    Url::parse(&bindings::parse_url(input, base)?).ok()
}

/// Whether a label only looks like an encoded name; the host can tell.
fn has_punycode(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host.contains("xn--"))
}

/// Sets one part by the rules of the standard's setters: a value that does not fit changes
/// nothing, except for `href`, where it answers `null`.
pub fn change<'js>(ctx: Ctx<'js>, href: String, part: String, value: String) -> Result<Value<'js>> {
    if part == "href" {
        return parse(ctx, value, Opt(None));
    }
    let Ok(before) = Url::parse(&href) else {
        return Ok(Value::new_null(ctx));
    };
    let mut url = before.clone();
    let set = set_part(&mut url, &part, &value);
    let is_host = matches!(part.as_str(), "host" | "hostname");
    if is_host && (set.is_err() || has_punycode(&url)) && value.len() <= MAX_HOST_BYTES {
        let changed = bindings::change_host(&href, &part, &value);
        url = changed
            .and_then(|href| Url::parse(&href).ok())
            .unwrap_or(before);
    }
    parts(&ctx, &url)
}

fn set_part(url: &mut Url, part: &str, value: &str) -> std::result::Result<(), ()> {
    match part {
        "protocol" => quirks::set_protocol(url, value),
        "username" => quirks::set_username(url, value),
        "password" => quirks::set_password(url, value),
        "host" => quirks::set_host(url, value),
        "hostname" => quirks::set_hostname(url, value),
        "port" => quirks::set_port(url, value),
        "pathname" => {
            quirks::set_pathname(url, value);
            Ok(())
        }
        "search" => {
            quirks::set_search(url, value);
            Ok(())
        }
        _ => {
            quirks::set_hash(url, value);
            Ok(())
        }
    }
}

fn parts<'js>(ctx: &Ctx<'js>, url: &Url) -> Result<Value<'js>> {
    let parts = Array::new(ctx.clone())?;
    let texts = [
        quirks::href(url),
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ];
    for (index, text) in texts.into_iter().enumerate() {
        parts.set(index, text)?;
    }
    parts.set(texts.len(), origin(url))?;
    Ok(parts.into_value())
}

/// The crate gives a `blob:` URL the origin of whatever is inside; in the standard only http and
/// https count there (URL standard, section 4.7).
fn origin(url: &Url) -> String {
    if url.scheme() != "blob" {
        return quirks::origin(url);
    }
    let inner = Url::parse(url.path()).ok();
    let inner = inner.filter(|inner| matches!(inner.scheme(), "http" | "https"));
    inner.map_or_else(|| "null".to_owned(), |inner| quirks::origin(&inner))
}

/// application/x-www-form-urlencoded, reading (URL standard, section 5.1): names and values
/// alternate.
pub fn parse_form(text: String) -> Vec<String> {
    form_urlencoded::parse(text.as_bytes())
        .flat_map(|(name, value)| [name.into_owned(), value.into_owned()])
        .collect()
}

/// application/x-www-form-urlencoded, writing (URL standard, section 5.2).
pub fn write_form(flat: Vec<String>) -> String {
    let pairs = flat.chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
