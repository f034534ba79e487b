//! TypeScript: types go, places stay, and a source that means harm ends as a compile error.

use std::fmt::Write as _;

use vedette_core::{ErrorClass, Outcome, SourceLanguage, script::MAX_SOURCE_BYTES};
use vedette_sandbox::{Bytecode, CompileError, RunInputs};

use crate::{assert_error, assert_success, data, inputs, sandbox};

async fn compile(source: &str) -> Result<Bytecode, CompileError> {
    sandbox().compile(source, SourceLanguage::TypeScript).await
}

async fn run(source: &str, inputs: RunInputs) -> Outcome {
    let bytecode = compile(source).await.expect("the source compiles");
    sandbox().run(&bytecode, inputs).await
}

/// Everything of TypeScript that goes without a trace.
const CHECK: &str = r"
interface Params { readonly limit: number; labels?: Record<string, string> }
type Verdict<T extends object = {}> = { success: boolean; data?: T };
type Route = `/${string}/${number}`;
declare const somewhere: unknown;
declare enum Ambient { a }
declare module 'x' { const y: number; }
namespace OnlyTypes { export type Id = string & { __brand: 'id' } }
export type { Params };

abstract class Probe<T> implements Iterable<T> {
  declare ghost: string;
  private readonly items: T[] = [];
  static #count: number = 0;
  protected constructor(public_?: string) { Probe.#count++; }
  abstract name(): string;
  [key: string]: unknown;
  add(item: T): this;
  add(item: T, again: boolean): this;
  public add(this: Probe<T>, item: T, again?: boolean): any { this.items.push(item); return this; }
  *[Symbol.iterator](): Iterator<T> { yield* this.items!; }
}
class Numbers extends Probe<number> {
  constructor() { super(); }
  override name(): string { return 'numbers' satisfies string; }
}

function isNumber(value: unknown): value is number { return typeof value === 'number'; }
const identity = <T,>(value: T): T => value;
const later = async <T>(
  value: T
): Promise<T> => value;

export default async ({ params }: { params: Params }): Promise<Verdict<{ sum: number }>> => {
  const numbers = new Numbers().add(1).add(2, true) as Numbers;
  let sum!: number;
  sum = [...numbers].filter(isNumber).reduce((a: number, b) => a + b, 0);
  const route = '/a/1' as const satisfies Route;
  sum = (await later<number>(identity(sum)))!;
  const less = sum < params.limit, more = sum > (0 as number);
  return { success: less && more && numbers.name() === 'numbers' && route.length === 4, data: { sum } };
};
";

#[tokio::test]
async fn types_go_and_the_check_runs() {
    let outcome = run(CHECK, inputs(serde_json::json!({"limit": 10}), &[])).await;
    assert_success(&outcome);
    assert_eq!(data(&outcome), serde_json::json!({"sum": 3}));
}

/// Line and column of `mark` in `source`, from 1, as editors count: in units of UTF-16.
fn place_of(source: &str, mark: &str) -> (u32, u32) {
    let before = source.split_once(mark).expect("the mark is there").0;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or(before)
        .encode_utf16()
        .count();
    let line = before.matches('\n').count();
    (
        u32::try_from(line + 1).unwrap(),
        u32::try_from(column + 1).unwrap(),
    )
}

#[tokio::test]
async fn a_run_time_error_names_the_place_in_the_users_file() {
    for source in [
        "interface A {\n  b: string;\n}\nexport default (_: { params: A }): never => { \
         const a: Array<A | undefined> = []; throw new Error('here'); };",
        "\u{feff}type A = '\u{1f600}';\r\nexport default <T>(a: T, b?: Map<string, T>) => {\r\n  \
         const c: A | '\u{1f600}' = a as unknown as A; throw new Error('here');\r\n};",
        "export default async <T>(\n  a?: T,\n): Promise<\n  never\n> => { throw new Error('here'); };",
    ] {
        let outcome = run(source, RunInputs::default()).await;
        assert_error(&outcome, ErrorClass::ScriptError);
        let message = outcome.message.unwrap();
        let (line, column) = place_of(source, "Error('here')");
        assert!(
            message.ends_with(&format!("Error: here (monitor.ts:{line}:{column})")),
            "{message}, not {line}:{column}: {source}"
        );
    }
}

#[tokio::test]
async fn what_is_not_supported_is_refused_with_its_place() {
    for (source, mark, word) in [
        (
            "let a = 1;\n  enum A { a }",
            "enum",
            "enum is not supported",
        ),
        ("const enum A { a }", "const", "enum is not supported"),
        (
            "\n namespace A { export let b = 1; }",
            "namespace",
            "namespace declaration is not supported",
        ),
        (
            "class A { constructor(private b: string) {} }",
            "b: string",
            "parameter property is not supported",
        ),
        ("let a = <string>b;", "<string>", "angle-bracket syntax"),
        (
            "import a = require('a');",
            "import",
            "import equals declaration is not supported",
        ),
        (
            "let a;\nexport = a;",
            "export",
            "export assignment is not supported",
        ),
        ("@a class B {}", "@", "Expression expected"),
        // JSX.
        ("let a = <b c=\"d\" />;", "c=", "Expected '>'"),
        ("let a =\n  <b>text</b>;", "</b>", ""),
        // No TypeScript either.
        ("let é: string =\n  let b = ;", "= ;", ""),
        ("let a: ;", ";", ""),
        ("let a = '\\u{110000}';", "'\\u", "Bad character escape"),
        (
            "let \\ud800 = 1;",
            "\\ud800",
            "Invalid character in identifier",
        ),
        ("let a = '\\u12", "'\\u12", ""),
        ("<<<<<<< HEAD\na;", "<<<", "Merge conflict"),
    ] {
        let Err(CompileError::Source {
            message,
            line,
            column,
        }) = compile(source).await
        else {
            panic!("it compiles: {source}");
        };
        assert!(
            message.starts_with("SyntaxError: ") && message.contains(word),
            "{source}: {message}"
        );
        let (expected, _) = place_of(source, mark);
        assert_eq!(line, Some(expected), "{source}: {message}");
        if !word.is_empty() {
            let (_, expected) = place_of(source, mark);
            assert!(
                column.is_some_and(|column| column.abs_diff(expected) <= 1),
                "{source}: {message} in column {column:?}, not {expected}"
            );
        }
    }
}

#[tokio::test]
async fn angle_brackets_are_read_as_typescript_reads_them() {
    let source = "const f = <T>(x: T, ..._: unknown[]) => x; let a = 1, b = 2, c = 3;\n\
        export default () => ({ success: true, data: [\n\
          f<number>(1), f(a < b, c > 2), f(a <b, c> +2), a < b && b > a, `${f<string>('x')}`,\n\
          f<Array<Array<number>>>([[1]]), 16>>>2>>1, (a<b)>c, f(MARK),\n\
        ] });";
    let outcome = run(&source.replace("MARK", "2"), RunInputs::default()).await;
    assert_success(&outcome);
    assert_eq!(
        data(&outcome),
        serde_json::json!([1, true, true, true, "x", [[1]], 2, false, 2])
    );
    // These are calls with type arguments in TypeScript, and `a` is no function.
    for call in ["a<b>(c)", "a < b, c > (2)"] {
        let outcome = run(&source.replace("MARK", call), RunInputs::default()).await;
        assert_error(&outcome, ErrorClass::ScriptError);
        let message = outcome.message.unwrap();
        assert!(
            message.contains("not a function (monitor.ts:4:"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn deeply_nested_source_is_refused() {
    const DEEP: usize = 100_000;
    let nested = |before: &str, open: &str, middle: &str, close: &str| {
        let deep = DEEP.min(MAX_SOURCE_BYTES / (open.len() + close.len()) - 20);
        format!(
            "{before}{}{middle}{}",
            open.repeat(deep),
            close.repeat(deep)
        )
    };
    for source in [
        nested("export default ", "(", "1", ")"),
        nested("", "(", "", ""),
        nested("", "[", "", ""),
        nested("", "{", "", ""),
        nested("x = ", "{a:", "", ""),
        nested("", "`${", "", ""),
        nested("x = ", "`${", "1", "}`"),
        nested("x = ", "() => ", "1", ""),
        nested("", "(a = ", "1", ")"),
        nested("", "async <T>(a = ", "1", ""),
        nested("", "<a>", "1", ""),
        nested("", "if(a)", "", ""),
        nested("", "class A { a = ", "", ""),
        nested("", "({a:[", "", ""),
        nested("x = a", " as a", "", ""),
        nested("x = a", "!", "", ""),
        nested("x = a", "+a", "", ""),
        nested("type A = ", "(", "1", ")"),
        nested("type A = ", "[", "1", "]"),
        nested("type A = 1", "[]", "", ""),
        nested("type A = ", "{a:", "1", "}"),
        nested("type A = ", "A<", "1", ">"),
        nested("", "a<", "1", ">"),
        nested("type A = ", "`${", "1", "}`"),
        nested("type A = ", "keyof ", "1", ""),
        nested("type A = ", "() => ", "1", ""),
        nested("type A = ", "a extends b ? c : ", "1", ""),
        nested("type A = ", "a extends infer b extends c ? ", "1", " : d"),
        nested("namespace a", ".a", " {}", ""),
    ] {
        let compiled = compile(&source).await;
        let Err(error @ CompileError::Limit(_)) = compiled else {
            panic!("{}…: {compiled:?}", &source[..40]);
        };
        assert!(
            error.to_string().contains("nested too deeply"),
            "{}…: {error}",
            &source[..40]
        );
    }
    assert_success(&run(CHECK, inputs(serde_json::json!({"limit": 10}), &[])).await);
}

#[tokio::test]
async fn the_largest_sources_keep_to_the_limits() {
    let fill = |unit: &str| unit.repeat(MAX_SOURCE_BYTES / unit.len());
    let names: String = (0..20_000).fold(String::new(), |mut text, index| {
        let _ = write!(text, "let a{index}:1;");
        text
    });
    let list = format!("x=[{}]", "a,".repeat(MAX_SOURCE_BYTES / 2 - 4));
    for source in [
        fill("a;"),
        fill("{}"),
        fill(";"),
        fill("\n"),
        fill("type A=1;"),
        fill("let {a}:{a:1}=b;{"),
        fill("1=1;"),
        fill("enum A{}"),
        fill("a<b>(c);"),
        fill("a?b:c=>d:e;"),
        fill("'\\u12"),
        fill("é"),
        fill("\u{1f600}"),
        fill("9"),
        fill("9n+"),
        names,
        list,
    ] {
        // What it comes to is the parser's business; that it is the source's own fault is ours.
        let compiled = compile(&source).await;
        assert!(
            !matches!(compiled, Err(CompileError::Platform(_))),
            "{}…: {compiled:?}",
            source.chars().take(20).collect::<String>()
        );
    }
}

/// Tokens in any order: the parser may refuse them and may not break down.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn no_soup_of_tokens_breaks_the_parser() {
    const SOUPS: usize = 3_000;
    const TOKENS: &[&str] = &[
        "a",
        "b",
        "<",
        ">",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "=>",
        ":",
        "?",
        ",",
        ";",
        "=",
        "type ",
        "interface ",
        "as ",
        "satisfies ",
        "class ",
        "extends ",
        "implements ",
        "abstract ",
        "declare ",
        "namespace ",
        "enum ",
        "import ",
        "export ",
        "default ",
        "from ",
        "'a'",
        "`",
        "${",
        "\n",
        "async ",
        "await ",
        "function ",
        "public ",
        "readonly ",
        "static ",
        "get ",
        "set ",
        "!",
        "...",
        "infer ",
        "keyof ",
        "typeof ",
        "new ",
        "this",
        "1",
        "1n",
        "/",
        "@",
        "#a",
        "|",
        "&",
        "**",
        "?.",
        "\\u{61}",
        "é",
        "\u{1f600}",
        "\u{2028}",
        "is ",
        "asserts ",
        "unique symbol",
        "override ",
        "accessor ",
        "using ",
        "in ",
        "out ",
        "const ",
        "let ",
        "for",
        "if",
        "return ",
        "yield ",
        "super",
        "constructor",
        "global ",
        "module ",
        "require",
        "<!--",
        "*",
    ];
    let mut seed = 1_u64;
    let mut next = |most: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % most
    };
    let mut accepted = 0;
    for _ in 0..SOUPS {
        let tokens = 1 + next(25);
        let soup: String = (0..tokens).map(|_| TOKENS[next(TOKENS.len())]).collect();
        match compile(&soup).await {
            Ok(_) => accepted += 1,
            Err(CompileError::Source { message, .. }) => {
                assert!(!message.contains("cannot read"), "{soup:?}: {message}");
            }
            Err(error) => panic!("{soup:?}: {error:?}"),
        }
    }
    assert!(accepted > 0, "none was well-formed: this tests nothing");
}
