//! Programs for the fuzz target: what a script is made of, put together by chance.

use proptest::prelude::*;
use serde_json::json;

use crate::check;

const VALUES: &[&str] = &[
    "x",
    "y",
    "params",
    "this",
    "null",
    "undefined",
    "NaN",
    "-0",
    "2 ** 31",
    "2 ** 53",
    "1e300",
    "0n",
    "2n ** 64n",
    "''",
    "'\\ud800'",
    "'a'.repeat(1e5)",
    "[]",
    "({})",
    "Symbol.iterator",
    "globalThis",
    "new Date(NaN)",
    "new Map()",
    "new Uint8Array(16)",
    "new ArrayBuffer(8, { maxByteLength: 64 })",
    "new Proxy({}, {})",
    "Promise.resolve(x)",
    "new Promise(() => {})",
    "console",
    "fetch",
    "URL",
    "params.base",
    "new URL('a:b')",
    "performance.now()",
    "arguments",
    "new.target",
    "await x",
    "import('x')",
    "new AbortController()",
    "Error.prototype",
    "new Error('e')",
    "/(a+)+b/gu",
    "fetch(params.base)",
    "Array.prototype",
    "new WeakRef({})",
    "Object.create(null)",
];

const METHODS: &[&str] = &[
    "map",
    "sort",
    "replace",
    "then",
    "toString",
    "valueOf",
    "push",
    "concat",
    "slice",
    "splice",
    "fill",
    "flat",
    "join",
    "exec",
    "test",
    "match",
    "split",
    "padStart",
    "repeat",
    "call",
    "apply",
    "bind",
    "next",
    "return",
    "resize",
    "transfer",
    "set",
    "get",
    "append",
    "toJSON",
    "constructor",
    "reduce",
    "at",
    "copyWithin",
    "finally",
    "catch",
    "normalize",
    "toWellFormed",
    "abort",
];

const OPERATORS: &[&str] = &[
    "+",
    "*",
    "%",
    "<<",
    "in",
    "instanceof",
    "==",
    "??",
    ",",
    "&&",
    ">>>",
];

const PREFIXES: &[&str] = &[
    "typeof",
    "void",
    "!",
    "-",
    "~",
    "await",
    "new",
    "delete 0, ",
];

/// A regular expression, with the parts that take time.
fn regex() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        Just("a".to_owned()),
        Just("\\w".to_owned()),
        Just("[^\\d]".to_owned()),
        Just(".".to_owned()),
        Just("^".to_owned()),
        Just("$".to_owned()),
        Just("\\1".to_owned()),
        Just("\\b".to_owned()),
        Just("\\u{1f600}".to_owned()),
        Just("[a-".to_owned()),
        Just("(?<n>a)\\k<n>".to_owned()),
    ];
    atom.prop_recursive(8, 60, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
            (
                inner.clone(),
                prop::sample::select(vec!["*", "+", "?", "*?", "{2,}", "{0,99}", "{1000}"])
            )
                .prop_map(|(part, times)| format!("(?:{part}){times}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}|{b})")),
            inner.clone().prop_map(|part| format!("(?={part})")),
            inner.prop_map(|part| format!("(?<!{part})")),
        ]
    })
}

/// An expression: mostly valid, mostly odd.
fn expression() -> BoxedStrategy<String> {
    let name = prop::sample::select(VALUES);
    let leaf = prop_oneof![
        40 => name.prop_map(str::to_owned),
        4 => regex().prop_map(|regex| format!("new RegExp({}, 'y')", json!(regex))),
        4 => any::<String>().prop_map(|text| json!(text).to_string()),
        // What is most often refused.
        1 => regex().prop_map(|regex| format!("/{regex}/u")),
        1 => prop_oneof![Just("super.x".to_owned()), Just("yield".to_owned()), ".{0,6}"],
    ];
    let method = prop::sample::select(METHODS);
    let operator = prop::sample::select(OPERATORS);
    let prefix = prop::sample::select(PREFIXES);
    let nested = leaf.prop_recursive(8, 60, 3, move |inner| {
        prop_oneof![
            (
                inner.clone(),
                method.clone(),
                prop::collection::vec(inner.clone(), 0..3)
            )
                .prop_map(|(object, name, arguments)| format!(
                    "({object})?.{name}?.({})",
                    arguments.join(",")
                )),
            (inner.clone(), operator.clone(), inner.clone())
                .prop_map(|(a, operator, b)| format!("((({a}) {operator} ({b})))")),
            (prefix.clone(), inner.clone()).prop_map(|(operator, a)| format!("({operator} ({a}))")),
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!(
                "({{ [{a}]: {b}, get a() {{ return 1; }}, ...({a}) }})"
            )),
            inner
                .clone()
                .prop_map(|a| format!("(async (x = 1, ...y) => {{ return {a}; }})()")),
            inner.clone().prop_map(|a| format!("JSON.stringify({a})")),
            inner.clone().prop_map(|a| format!("console.log({a})")),
            inner.clone().prop_map(|a| format!("Reflect.ownKeys({a})")),
            inner.clone().prop_map(|a| format!("[...({a})]")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("Object.defineProperty({a}, 'x', {{ value: {b} }})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("`${{{a}}}${{{b}}}`")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("(({a}) ? ({b}) : ({c}))")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(x = {a}, y[{b}] = x)")),
        ]
    });
    nested.boxed()
}

/// A check of some statements.
pub(super) fn program() -> impl Strategy<Value = String> {
    let simple = expression().prop_map(|a| format!("({a});"));
    let statement = simple.prop_recursive(4, 20, 3, |inner| {
        let with = |form: fn(&str, &str) -> String| {
            (expression(), inner.clone()).prop_map(move |(a, then)| form(&a, &then))
        };
        prop_oneof![
            with(|a, then| format!("try {{ {then} ({a}); }} catch (x) {{ y.push?.(x) }} finally {{ x }}")),
            with(|a, then| format!("for (let i = 0; i < 50; i++) {{ {then} ({a}); }}")),
            with(|a, then| format!("try {{ for (const x of ({a})) {{ {then} }} }} catch {{}}")),
            with(|a, then| format!("for (const x in ({a})) {{ {then} }}")),
            with(|a, then| format!("{{ class A extends Object {{ #p = 1; static {{ this.q = this; }} get p() {{ return this.#p; }} }} x = new A().p; {then} x = {a}; }}")),
            with(|a, then| format!("setTimeout(async () => {{ {then} ({a}); }}, 1);")),
            with(|a, then| format!("{{ function* g() {{ yield 1; yield* ({a_}); }} for (const x of g()) {{ {then} break; }} }}", a_ = a.replace("await", "void"))),
            with(|a, then| format!("if (x) {{ {then} }} else throw ({a});")),
            with(|a, then| format!("try {{ const {{ a, ...b }} = ({a}), [c, ...d] = [({a})]; {then} }} catch {{}}")),
        ]
    });
    prop::collection::vec(statement, 1..4).prop_map(|statements| {
        check(&format!(
            "let x = 1, y = []; {} return {{ success: true, data: y }};",
            statements.join("\n")
        ))
    })
}
