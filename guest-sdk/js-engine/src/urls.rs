//! `URL` by the `url` crate: the very parser that the host's guard uses.

use javy::quickjs::{Array, Ctx, Result, Value, prelude::Opt};
use url::{Url, form_urlencoded, quirks};

/// The parts of a URL as `js/url.js` keeps them, or `null` when it does not parse.
pub fn parse<'js>(ctx: Ctx<'js>, input: String, base: Opt<Option<String>>) -> Result<Value<'js>> {
    let parsed = match base.0.flatten() {
        Some(base) => Url::parse(&base).and_then(|base| base.join(&input)),
        None => Url::parse(&input),
    };
    match parsed {
        Ok(url) => parts(&ctx, &url),
        Err(_) => Ok(Value::new_null(ctx)),
    }
}

/// Sets one part by the rules of the standard's setters: a value that does not fit changes
/// nothing, except for `href`, where it answers `null`.
pub fn change<'js>(ctx: Ctx<'js>, href: String, part: String, value: String) -> Result<Value<'js>> {
    let Ok(mut url) = Url::parse(&href) else {
        return Ok(Value::new_null(ctx));
    };
    let set = match part.as_str() {
        "href" => quirks::set_href(&mut url, &value).map_err(|_| ()),
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        _ => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
    };
    if set.is_err() && part == "href" {
        return Ok(Value::new_null(ctx));
    }
    parts(&ctx, &url)
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
