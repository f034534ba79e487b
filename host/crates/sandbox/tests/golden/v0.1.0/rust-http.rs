//! One GET through wasi:http/outgoing-handler, with nothing between.
wit_bindgen::generate!({ path: "wit", world: "monitor", generate_all });
use vedette::monitor::{console, env, params};
use ::wasi::http::outgoing_handler;
use ::wasi::http::types::{Fields, IncomingBody, Method, OutgoingRequest, Scheme};

struct Component;
export!(Component);

fn get(url: &str) -> Result<(u16, usize), String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&Method::Get).map_err(|()| "method")?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(|()| "path")?;

    let pending = outgoing_handler::handle(request, None).map_err(|e| e.to_string())?;
    pending.subscribe().block();
    let response = pending.get().ok_or("not ready")?.map_err(|()| "taken")?.map_err(|e| e.to_string())?;
    let status = response.status();
    let body: IncomingBody = response.consume().map_err(|()| "consumed")?;
    let stream = body.stream().map_err(|()| "stream")?;
    let mut length = 0;
    // The stream's end comes as the error `closed`.
    while let Ok(bytes) = stream.blocking_read(16 * 1024) {
        length += bytes.len();
    }
    Ok((status, length))
}

impl Guest for Component {
    fn run() -> Result<Verdict, String> {
        let params: serde_json::Value = serde_json::from_str(&params::get()).map_err(|e| e.to_string())?;
        let url = params["url"].as_str().ok_or("no url")?;
        console::log(console::Level::Info, &format!("GET {url}"));
        let (status, length) = get(url)?;
        console::log(console::Level::Debug, &format!("{length} bytes"));
        let mut message = format!("status {status}");
        if let Some(name) = params["env"].as_str() {
            message += &format!(" {}", env::get(name).unwrap_or_default());
        }
        let data = format!(r#"{{"status":{status}}}"#);
        Ok(Verdict { success: status == 200, latency: None, message: Some(message), data: Some(data) })
    }
}
