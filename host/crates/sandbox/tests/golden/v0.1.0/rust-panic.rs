//! Panics: a message on standard error, then a trap.
wit_bindgen::generate!({ path: "wit", world: "monitor", generate_all });

struct Component;
export!(Component);

impl Guest for Component {
    fn run() -> Result<Verdict, String> {
        panic!("the sentry fell asleep")
    }
}
