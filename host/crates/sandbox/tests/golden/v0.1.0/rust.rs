//! One GET through vedette:monitor/fetch. Writes to standard output too.
wit_bindgen::generate!({ path: "wit", world: "monitor", generate_all });
use vedette::monitor::{console, env, fetch, params};

struct Component;
export!(Component);

impl Guest for Component {
    fn run() -> Result<Verdict, String> {
        let params: serde_json::Value = serde_json::from_str(&params::get()).map_err(|e| e.to_string())?;
        let url = params["url"].as_str().ok_or("no url")?.to_string();
        println!("GET {url}");
        console::log(console::Level::Info, &format!("GET {url}"));
        let request = fetch::Request {
            method: "GET".into(),
            url,
            headers: vec![],
            body: None,
            redirect: fetch::RedirectMode::Follow,
            timeout_ms: None,
        };
        let status = fetch::send(&request).map_err(|e| e.to_string())?.status;
        let mut message = format!("status {status}");
        if let Some(name) = params["env"].as_str() {
            message += &format!(" {}", env::get(name).unwrap_or_default());
        }
        let data = format!(r#"{{"status":{status}}}"#);
        Ok(Verdict { success: status == 200, latency: None, message: Some(message), data: Some(data) })
    }
}
