//! Comes to no verdict.
wit_bindgen::generate!({ path: "wit", world: "monitor", generate_all });

struct Component;
export!(Component);

impl Guest for Component {
    fn run() -> Result<Verdict, String> {
        Err("no verdict".into())
    }
}
