//! Logs in, makes an order, reads it back, and deletes it whatever came before.
//!
//!     vedette check order.wasm --params '{"url": "https://shop.example.com"}' \
//!       --env SHOP_USERNAME=anna --env SHOP_PASSWORD=…

use serde::Deserialize;
use serde_json::json;
use vedette_sdk::{Context as _, Error, Monitor, Request, Verdict, ensure_eq, env, info, warn};

struct Order;

#[derive(Deserialize)]
struct Params {
    /// Where the API is, without a slash at the end.
    url: String,
}

#[derive(Deserialize)]
struct Session {
    access_token: String,
}

#[derive(Deserialize)]
struct Made {
    id: u64,
    item: String,
    amount: u32,
}

impl Monitor for Order {
    type Params = Params;

    fn run(params: Params) -> Result<Verdict, Error> {
        let token = log_in(&params.url).context("log in")?;
        let id = create(&params.url, &token).context("create an order")?;
        info!("order {id}");
        let order = format!("{}/orders/{id}", params.url);
        let read = read_back(&order, &token).context("read it back");

        let deletion = Request::delete(order).bearer(&token);
        let deleted = deletion.send().map_err(Error::from);
        let deleted = deleted.and_then(|response| response.expect_status(204));
        if let (Err(_), Err(error)) = (&read, &deleted) {
            warn!("order {id} is left behind: {error}");
        }
        // What went wrong first is the message of the run.
        let verdict = read?;
        deleted.context("delete it")?;
        Ok(verdict)
    }
}

fn log_in(url: &str) -> Result<String, Error> {
    let credentials = json!({
        "username": env::require("SHOP_USERNAME")?,
        "password": env::require("SHOP_PASSWORD")?,
    });
    let request = Request::post(format!("{url}/login")).json(&credentials)?;
    let session: Session = request.send()?.expect_status(200)?.json()?;
    Ok(session.access_token)
}

fn create(url: &str, token: &str) -> Result<u64, Error> {
    let order = json!({ "item": "tea", "amount": 2 });
    let request = Request::post(format!("{url}/orders")).bearer(token);
    let made: Made = request.json(&order)?.send()?.expect_status(201)?.json()?;
    Ok(made.id)
}

fn read_back(order: &str, token: &str) -> Result<Verdict, Error> {
    let request = Request::get(order).bearer(token);
    let response = request.send()?.expect_status(200)?;
    let read: Made = response.json()?;
    ensure_eq!(read.item, "tea", "item");
    ensure_eq!(read.amount, 2, "amount");
    Ok(Verdict::success().latency(response.timings().total))
}

vedette_sdk::monitor!(Order);
