/// Gives the names of the parts of the realm (`js/parts/`) to a macro. They are told to whoever hands
/// out their bytecode: the server, and a standalone monitor.
macro_rules! with_parts {
    ($list:ident) => {
        $list![
            "absent",
            "assert",
            "blobs",
            "clone",
            "console",
            "cookies",
            "crypto",
            "crypto_keys",
            "encoding",
            "equal",
            "markup",
            "matchers",
            "reasons",
            "request",
            "schema",
            "streams",
            "subtle",
            "tokens",
        ]
    };
}
