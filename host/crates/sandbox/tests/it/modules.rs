//! What a script may import, and what it may not.

use vedette_core::{ErrorClass, SourceLanguage};
use vedette_sandbox::CompileError;

use crate::{assert_error, assert_success, run, run_body, sandbox};

#[tokio::test]
async fn a_built_in_module_is_there() {
    for imported in [
        "import { check } from 'vedette:assert';",
        "import * as assert from 'vedette:assert'; const { check } = assert;",
        "import { check as other } from 'vedette:assert'; import { check } from 'vedette:assert'; if (check !== other) throw 1;",
    ] {
        let source = format!(
            "{imported} export default () => ({{ success: check('it is there', true) ?? true }});"
        );
        assert_success(&run(&source).await);
    }
}

#[tokio::test]
async fn nothing_else_can_be_imported() {
    for name in [
        "fs",
        "node:fs",
        "std",
        "os",
        "./other.js",
        "monitor.js",
        "https://example.com/x.js",
        "data:text/javascript,export default 1",
        // The realm's own modules.
        "vedette",
        "vedette:prelude",
        "vedette:",
        "vedette:nothing",
        "",
    ] {
        for source in [
            format!("import '{name}'; export default () => ({{ success: true }});"),
            format!("export * from '{name}'; export default () => ({{ success: true }});"),
        ] {
            let refused = sandbox()
                .compile(&source, SourceLanguage::JavaScript)
                .await
                .expect_err(&source);
            let CompileError::Source { message, .. } = refused else {
                panic!("{name}: {refused:?}");
            };
            assert!(
                message.contains("there is no module") && message.contains("vedette:assert"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn an_import_in_the_middle_is_refused_in_words() {
    for name in [
        "fs",
        "vedette:assert",
        "vedette:prelude",
        "data:text/javascript,1",
    ] {
        let outcome = run_body(&format!(
            "await import('{name}'); return {{ success: true }};"
        ))
        .await;
        assert_error(&outcome, ErrorClass::ScriptError);
        let message = outcome.message.unwrap_or_default();
        assert!(message.contains("import() is not available"), "{message}");
    }
    let source =
        "const early = import('fs'); await early; export default () => ({ success: true });";
    assert_error(&run(source).await, ErrorClass::ScriptError);
}

#[tokio::test]
async fn an_import_that_the_module_does_not_have_is_an_error() {
    let source =
        "import { chek } from 'vedette:assert'; export default () => ({ success: true, chek });";
    let outcome = run(source).await;
    assert_error(&outcome, ErrorClass::ScriptError);
    let message = outcome.message.unwrap_or_default();
    assert!(message.contains("chek"), "{message}");
}
