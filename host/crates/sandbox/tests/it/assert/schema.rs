//! `toMatchSchema`: each keyword both ways, and what is refused.

use vedette_core::ErrorClass;

use super::{assert_failure, assert_misuse, run_asserting};
use crate::{assert_error, assert_success};

/// Schema, a value that matches, one that does not, and what is said of it.
const KEYWORDS: &[(&str, &str, &str, &str)] = &[
    ("true", "1", "", ""),
    ("{}", "null", "", ""),
    ("false", "", "1", "it is not allowed (`false`)"),
    (
        "{ type: 'integer' }",
        "1.0",
        "1.5",
        "it is not an integer, but 1.5 (`type`)",
    ),
    (
        "{ type: ['string', 'null'] }",
        "null",
        "1",
        "it is not a text or null, but 1",
    ),
    (
        "{ type: 'object' }",
        "{}",
        "[]",
        "it is not an object, but []",
    ),
    ("{ type: 'array' }", "[]", "{}", "it is not an array"),
    ("{ type: 'boolean' }", "false", "0", "it is not a boolean"),
    (
        "{ enum: [1, 'a', { b: [2], c: 3 }] }",
        "{ c: 3, b: [2] }",
        "2",
        "it is none of the values listed, but 2",
    ),
    (
        "{ const: { a: [1] } }",
        "{ a: [1] }",
        "{ a: [2] }",
        "it is not { a: [ 1 ] }",
    ),
    ("{ minimum: 2 }", "2", "1", "it is less than 2: 1"),
    ("{ maximum: 2 }", "2", "3", "it is greater than 2: 3"),
    (
        "{ exclusiveMinimum: 2 }",
        "2.1",
        "2",
        "it is not greater than 2: 2",
    ),
    (
        "{ exclusiveMaximum: 2 }",
        "1.9",
        "2",
        "it is not less than 2: 2",
    ),
    (
        "{ multipleOf: 0.1 }",
        "0.3",
        "0.35",
        "it is not a multiple of 0.1: 0.35",
    ),
    (
        "{ minLength: 2 }",
        "'\\u{1f6a8}a'",
        "'\\u{1f6a8}'",
        "it is shorter than 2",
    ),
    (
        "{ maxLength: 1 }",
        "'\\u{1f6a8}'",
        "'ab'",
        "it is longer than 1",
    ),
    (
        "{ pattern: '^a.c$' }",
        "'abc'",
        "'abd'",
        "it does not match ^a.c$: \"abd\" (`pattern`)",
    ),
    (
        "{ items: { type: 'number' } }",
        "[1, 2]",
        "[1, 'x']",
        "/1: is not a number, but \"x\"",
    ),
    (
        "{ prefixItems: [{ type: 'string' }], items: { type: 'number' } }",
        "['a', 1]",
        "['a', 'b']",
        "/1: is not a number",
    ),
    (
        "{ prefixItems: [{ type: 'string' }] }",
        "['a', 1]",
        "[1]",
        "/0: is not a text",
    ),
    (
        "{ contains: { const: 1 }, minContains: 2, maxContains: 3 }",
        "[1, 2, 1]",
        "[1, 2]",
        "it has 1 elements of the kind wanted, at least 2",
    ),
    (
        "{ contains: { const: 1 }, maxContains: 1 }",
        "[1, 2]",
        "[1, 1]",
        "it has 2 elements of the kind, at most 1",
    ),
    (
        "{ minItems: 1 }",
        "[1]",
        "[]",
        "it has 0 elements, at least 1",
    ),
    (
        "{ maxItems: 1 }",
        "[1]",
        "[1, 2]",
        "it has 2 elements, at most 1",
    ),
    (
        "{ uniqueItems: true }",
        "[1, '1', { a: 1 }]",
        "[{ a: 1, b: 2 }, { b: 2, a: 1 }]",
        "it has elements that are the same",
    ),
    (
        "{ properties: { a: { type: 'number' } } }",
        "{ b: 'x' }",
        "{ a: 'x' }",
        "/a: is not a number",
    ),
    (
        "{ patternProperties: { '^x': { type: 'number' } } }",
        "{ y: 'a', x1: 2 }",
        "{ x1: 'a' }",
        "/x1: is not a number",
    ),
    (
        "{ properties: { a: true }, patternProperties: { '^x': true }, additionalProperties: false }",
        "{ a: 1, xy: 2 }",
        "{ b: 1 }",
        "it has \"b\", which is not allowed",
    ),
    (
        "{ additionalProperties: { type: 'number' } }",
        "{ a: 1 }",
        "{ 'a/b': 'x' }",
        "/a~1b: is not a number",
    ),
    (
        "{ propertyNames: { maxLength: 2 } }",
        "{ ab: 1 }",
        "{ abc: 1 }",
        "it has the name \"abc\", which is longer than 2",
    ),
    (
        "{ required: ['a'] }",
        "{ a: null }",
        "{ b: 1 }",
        "it has no \"a\" (`required`)",
    ),
    (
        "{ required: ['toString'] }",
        "{ toString: 1 }",
        "{}",
        "it has no \"toString\"",
    ),
    (
        "{ dependentRequired: { a: ['b'] } }",
        "{ c: 1 }",
        "{ a: 1 }",
        "it has \"a\" and no \"b\"",
    ),
    (
        "{ dependentSchemas: { a: { required: ['b'] } } }",
        "{ c: 1 }",
        "{ a: 1 }",
        "it has no \"b\"",
    ),
    (
        "{ minProperties: 1 }",
        "{ a: 1 }",
        "{}",
        "it has fewer than 1 members",
    ),
    (
        "{ maxProperties: 1 }",
        "{ a: 1 }",
        "{ a: 1, b: 2 }",
        "it has more than 1 members",
    ),
    (
        "{ allOf: [{ minimum: 1 }, { maximum: 2 }] }",
        "1.5",
        "3",
        "it is greater than 2: 3 (`maximum`)",
    ),
    (
        "{ anyOf: [{ type: 'string' }, { minimum: 3 }] }",
        "'a'",
        "2",
        "it matches none of 2 alternatives",
    ),
    (
        "{ oneOf: [{ minimum: 1 }, { maximum: 2 }] }",
        "0",
        "1.5",
        "it matches 2 of 2 alternatives instead of one",
    ),
    (
        "{ not: { type: 'string' } }",
        "1",
        "'a'",
        "it matches what it must not",
    ),
    (
        "{ if: { properties: { a: { const: 1 } } }, then: { required: ['b'] }, else: { required: ['c'] } }",
        "{ a: 1, b: 1 }",
        "{ a: 2, b: 1 }",
        "it has no \"c\"",
    ),
    (
        "{ $ref: '#/$defs/a~1b', $defs: { 'a/b': { type: 'number' } } }",
        "1",
        "'x'",
        "it is not a number",
    ),
    (
        "{ properties: { next: { $ref: '#' } }, required: ['id'] }",
        "{ id: 1, next: { id: 2 } }",
        "{ id: 1, next: { id: 2, next: {} } }",
        "/next/next: has no \"id\"",
    ),
    (
        "{ title: 'a', description: 'b', default: 1, examples: [], deprecated: true, 'x-mine': 1, $comment: 'c', type: 'number' }",
        "1",
        "'a'",
        "it is not a number",
    ),
    (
        "{ format: 'date-time' }",
        "'2026-01-31T09:00:00.5+01:00'",
        "'2026-02-30T09:00:00Z'",
        "it is not of the format date-time",
    ),
    (
        "{ format: 'date' }",
        "'2024-02-29'",
        "'2026-02-29'",
        "format date",
    ),
    (
        "{ format: 'time' }",
        "'23:59:60Z'",
        "'22:59:60Z'",
        "format time",
    ),
    (
        "{ format: 'duration' }",
        "'P1DT2H'",
        "'P'",
        "format duration",
    ),
    (
        "{ format: 'email' }",
        "'anna@example.com'",
        "'anna@'",
        "format email",
    ),
    (
        "{ format: 'hostname' }",
        "'a.example'",
        "'-a.example'",
        "format hostname",
    ),
    (
        "{ format: 'ipv4' }",
        "'192.0.2.1'",
        "'192.0.2.256'",
        "format ipv4",
    ),
    (
        "{ format: 'ipv6' }",
        "'2001:db8::1'",
        "'2001:db8:::1'",
        "format ipv6",
    ),
    (
        "{ format: 'uri' }",
        "'https://example.com/a?b#c'",
        "'/a b'",
        "format uri",
    ),
    (
        "{ format: 'uri-reference' }",
        "'/a?b'",
        "'a b'",
        "format uri-reference",
    ),
    (
        "{ format: 'uuid' }",
        "'0190a6f0-7c3e-7000-8000-000000000001'",
        "'0190a6f0'",
        "format uuid",
    ),
    (
        "{ format: 'json-pointer' }",
        "'/a/~0b'",
        "'/a/~b'",
        "format json-pointer",
    ),
    ("{ format: 'regex' }", "'a+'", "'(a'", "format regex"),
];

#[tokio::test]
async fn every_keyword_is_judged_both_ways() {
    for (schema, well, broken, message) in KEYWORDS {
        if !well.is_empty() {
            let body = format!("expect({well}).toMatchSchema({schema});");
            assert_success(&run_asserting(&body).await);
        }
        if !broken.is_empty() {
            let body = format!("expect({broken}, 'body').toMatchSchema({schema});");
            let outcome = run_asserting(&body).await;
            assert_failure(&outcome, "expected body ");
            assert_failure(
                &outcome,
                &format!("to match the schema: {message}")
                    .replace("schema: format", "schema: it is not of the format"),
            );
        }
    }
}

/// A keyword that is passed over would let through what its author wants refused.
#[tokio::test]
async fn a_schema_with_a_mistake_is_refused_whatever_the_value() {
    for (schema, message) in [
        ("undefined", "toMatchSchema takes a schema"),
        ("5", "toMatchSchema takes a schema"),
        ("[]", "toMatchSchema takes a schema"),
        ("{ typ: 'string' }", "the keyword `typ` is not supported"),
        (
            "{ nullable: true }",
            "the keyword `nullable` is not supported",
        ),
        (
            "{ unevaluatedProperties: false }",
            "`unevaluatedProperties` is not supported",
        ),
        ("{ constructor: 1 }", "`constructor` is not supported"),
        ("{ type: 'text' }", "`type` cannot be \"text\""),
        ("{ type: 'toString' }", "`type` cannot be"),
        ("{ type: [] }", "`type` cannot be []"),
        ("{ required: 'a' }", "`required` cannot be \"a\""),
        ("{ minimum: '1' }", "`minimum` cannot be \"1\""),
        (
            "{ exclusiveMinimum: true, minimum: 1 }",
            "`exclusiveMinimum` cannot be true",
        ),
        ("{ minLength: -1 }", "`minLength` cannot be -1"),
        ("{ multipleOf: 0 }", "`multipleOf` cannot be 0"),
        ("{ pattern: '(' }", "`pattern` cannot be \"(\""),
        (
            "{ patternProperties: { '(': {} } }",
            "`patternProperties` cannot be",
        ),
        ("{ format: 'colour' }", "`format` cannot be \"colour\""),
        ("{ items: [{}] }", "`items` cannot be"),
        ("{ anyOf: [] }", "`anyOf` cannot be []"),
        ("{ then: {} }", "`then` does nothing without `if`"),
        (
            "{ minContains: 2 }",
            "`minContains` does nothing without `contains`",
        ),
        ("{ $ref: 'https://example.com/schema' }", "`$ref` cannot be"),
        ("{ $ref: '#/$defs/nowhere' }", "`$ref` leads nowhere"),
        ("{ $ref: '#/__proto__' }", "`$ref` leads nowhere"),
        // Deep inside, where this value never leads.
        (
            "{ properties: { a: { anyOf: [{ items: { maximun: 1 } }] } } }",
            "`maximun` is not supported",
        ),
        (
            "{ $defs: { unused: { typ: 'x' } } }",
            "`typ` is not supported",
        ),
    ] {
        for not in ["", ".not"] {
            let outcome = run_asserting(&format!("expect(1){not}.toMatchSchema({schema});")).await;
            assert_misuse(&outcome, message);
        }
    }
}

#[tokio::test]
async fn only_json_is_judged() {
    for value in [
        "() => 1",
        "5n",
        "Symbol()",
        "NaN",
        "{ a: { b: Infinity } }",
        "[() => 1]",
    ] {
        let schema = "{ items: { minimum: 1 }, additionalProperties: { additionalProperties: { minimum: 1 } } }";
        let outcome = run_asserting(&format!("expect({value}).toMatchSchema({schema});")).await;
        assert_misuse(&outcome, "toMatchSchema takes JSON");
    }
    assert_success(&run_asserting("expect({ a: undefined }).toMatchSchema({ properties: { a: { type: 'string' } }, additionalProperties: false });").await);
}

#[tokio::test]
async fn a_schema_that_never_ends_is_stopped() {
    for body in [
        "expect(1).toMatchSchema({ $ref: '#' });",
        "expect(1).toMatchSchema({ allOf: [{ $ref: '#' }] });",
        "expect(1).toMatchSchema({ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } });",
        "const schema = { allOf: [] }; schema.allOf.push(schema); expect(1).toMatchSchema(schema);",
    ] {
        assert_misuse(
            &run_asserting(body).await,
            "refers to itself without an end",
        );
    }
    let body = "const schema = { properties: {} }; schema.properties.a = schema; expect({ a: { a: 1 } }).toMatchSchema(schema);";
    assert_success(&run_asserting(body).await);
    let body = "expect(1).toMatchSchema({ anyOf: [{ not: {} }, { $ref: '#/$defs/a' }], $defs: { a: { type: 'string' } } });";
    assert_failure(&run_asserting(body).await, "matches none of 2 alternatives");
    // Doubles with each level.
    let body = "const defs = { d0: { type: 'string' } };
        for (let i = 1; i < 23; i++) defs['d' + i] = { anyOf: [{ $ref: '#/$defs/d' + (i - 1) }, { $ref: '#/$defs/d' + (i - 1) }] };
        expect(1).toMatchSchema({ $ref: '#/$defs/d22', $defs: defs });";
    assert_error(&run_asserting(body).await, ErrorClass::FuelExhausted);
    let body = "expect('a'.repeat(40) + '!').toMatchSchema({ pattern: '^(a+)+$' });";
    assert_error(&run_asserting(body).await, ErrorClass::FuelExhausted);
}

#[tokio::test]
async fn a_value_that_is_nested_without_an_end_fails_both_ways() {
    let body = |levels: &str, matcher: &str| {
        format!(
            "let value = {{}}; for (let i = 0; i < {levels}; i++) value = {{ a: value }};
             expect(value){matcher};"
        )
    };
    let tree = "toMatchSchema({ properties: { a: { $ref: '#' } } })";
    assert_success(&run_asserting(&body("70", &format!(".{tree}"))).await);
    for levels in ["80", "1000", "1e5"] {
        for matcher in [
            format!(".{tree}"),
            format!(".not.{tree}"),
            ".toMatchSchema({ not: { $ref: '#/$defs/t' }, $defs: { t: { properties: { a: { $ref: '#/$defs/t' } } } } })".to_owned(),
            ".toMatchSchema({ anyOf: [{ $ref: '#/$defs/t' }, true], $defs: { t: { properties: { a: { $ref: '#/$defs/t' } } } } })".to_owned(),
        ] {
            let outcome = run_asserting(&body(levels, &matcher)).await;
            assert_failure(&outcome, "nested deeper than the schema can be followed");
        }
    }
}

/// The deepest that the bounds allow, by the keywords that take most of the stack.
#[tokio::test]
async fn the_bounds_are_met_before_the_stack_is() {
    for schema in [
        "{ properties: { a: { $ref: '#' } } }",
        "{ additionalProperties: { $ref: '#' } }",
        "{ patternProperties: { a: { $ref: '#' } } }",
        "{ properties: { a: { allOf: [{ anyOf: [{ oneOf: [{ not: { not: { $ref: '#' } } }] }] }] } } }",
        "{ dependentSchemas: { a: { if: true, then: { properties: { a: { contains: true, $ref: '#' } } } } } }",
    ] {
        let outcome = run_asserting(&format!(
            "let value = {{}}; for (let i = 0; i < 1000; i++) value = {{ a: value }};
             const deeper = (n) => n === 0 ? expect(value).toMatchSchema({schema}) : deeper(n - 1);
             await step('a', async () => step('b', () => deeper(20)));"
        ))
        .await;
        assert_failure(&outcome, "nested deeper than the schema can be followed");
    }
}
