//! Small components in the text format: one module of a test's own, wired to what it imports.

/// A component that is being written.
///
/// Its module has a memory from 0 on that is its own: the verdict's place is [`VERDICT`], texts of a
/// test go from 1024 on, and what the host gives it lies from 32768 on.
pub(crate) struct Guest {
    imports: String,
    calls: Vec<(String, String, String)>,
    fields: String,
    realloc: String,
    pages: u32,
    run: String,
    options: String,
}

/// `result<verdict, string>` in memory: 0 or 1; then, 8 bytes on, `success`, and 8 bytes on each
/// `latency` (16), `message` and `data` (12), or the text of the error.
const HELPERS: &str = r"
  (func $success (result i32)
    (memory.fill (i32.const 16) (i32.const 0) (i32.const 56))
    (i32.store8 (i32.const 24) (i32.const 1))
    (i32.const 16))
  (func $latency (param $ms f64) (result i32)
    (drop (call $success))
    (i32.store8 (i32.const 32) (i32.const 1))
    (f64.store (i32.const 40) (local.get $ms))
    (i32.const 16))
  (func $count (param $n i32) (result i32)
    (call $latency (f64.convert_i32_u (local.get $n))))
  (func $message (param $at i32) (param $bytes i32) (result i32)
    (drop (call $success))
    (i32.store8 (i32.const 48) (i32.const 1))
    (i32.store (i32.const 52) (local.get $at))
    (i32.store (i32.const 56) (local.get $bytes))
    (i32.const 16))
  (func $data (param $at i32) (param $bytes i32) (result i32)
    (drop (call $success))
    (i32.store8 (i32.const 60) (i32.const 1))
    (i32.store (i32.const 64) (local.get $at))
    (i32.store (i32.const 68) (local.get $bytes))
    (i32.const 16))
  (func $err (param $at i32) (param $bytes i32) (result i32)
    (drop (call $success))
    (i32.store8 (i32.const 16) (i32.const 1))
    (i32.store (i32.const 24) (local.get $at))
    (i32.store (i32.const 28) (local.get $bytes))
    (i32.const 16))
";

/// Gives out memory upwards, and makes more of it.
const REALLOC: &str = r"
  (local $at i32)
  (local.set $at (i32.and
    (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get $align))))
  (global.set $top (i32.add (local.get $at) (local.get $size)))
  (block $fits
    (loop $grow
      (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (unreachable))
  (local.get $at)";

impl Guest {
    /// With the body of `run`, which leaves the address of its result. Without more it imports
    /// nothing.
    pub(crate) fn new(run: impl Into<String>) -> Self {
        Self {
            imports: String::new(),
            calls: Vec::new(),
            fields: String::new(),
            realloc: REALLOC.to_owned(),
            pages: 1,
            run: run.into(),
            options: String::new(),
        }
    }

    /// Imports of the component, in the text format.
    pub(crate) fn import(mut self, text: &str) -> Self {
        self.imports.push_str(text);
        self.imports.push('\n');
        self
    }

    /// Makes `function` of an imported instance callable as `$name`, with this core type.
    pub(crate) fn call(mut self, name: &str, function: &str, ty: &str) -> Self {
        let owned = (name.to_owned(), function.to_owned(), ty.to_owned());
        self.calls.push(owned);
        self
    }

    /// More of the module: functions, globals, tables, data.
    pub(crate) fn fields(mut self, text: &str) -> Self {
        self.fields.push_str(text);
        self.fields.push('\n');
        self
    }

    /// A text in memory.
    pub(crate) fn text(self, at: u32, text: &str) -> Self {
        let bytes = text
            .bytes()
            .map(|byte| format!("\\{byte:02x}"))
            .collect::<Vec<_>>()
            .concat();
        self.fields(&format!("(data (i32.const {at}) \"{bytes}\")"))
    }

    /// Another body of `cabi_realloc`.
    pub(crate) fn realloc(mut self, body: &str) -> Self {
        body.clone_into(&mut self.realloc);
        self
    }

    /// Pages of memory to begin with.
    pub(crate) fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// Something to lift `run` with, such as `(post-return (func $guest "after"))`.
    pub(crate) fn lifted_with(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// The component.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let text = self.to_text();
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn to_text(&self) -> String {
        let lowered = self.calls.iter().map(|(name, function, _)| {
            format!("(core func ${name} (canon lower (func {function}) (memory $memory) (realloc $realloc)))\n")
        });
        let offered = self
            .calls
            .iter()
            .map(|(name, ..)| format!("(export \"{name}\" (func ${name}))"));
        let imported = self
            .calls
            .iter()
            .map(|(name, _, ty)| format!("(import \"host\" \"{name}\" (func ${name} {ty}))\n"));
        format!(
            "(component
              {VERDICT}
              {imports}
              (core module $libc
                (memory (export \"memory\") {pages})
                (global $top (mut i32) (i32.const 32768))
                (func (export \"cabi_realloc\")
                  (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
                  {realloc}))
              (core instance $libc (instantiate $libc))
              (alias core export $libc \"memory\" (core memory $memory))
              (alias core export $libc \"cabi_realloc\" (core func $realloc))
              {lowered}
              (core instance $host {offered})
              (core module $guest
                (import \"libc\" \"memory\" (memory 0))
                {imported}
                {HELPERS}
                {fields}
                (func (export \"run\") (result i32) {run}))
              (core instance $guest (instantiate $guest
                (with \"libc\" (instance $libc)) (with \"host\" (instance $host))))
              {lifted})",
            imports = self.imports,
            pages = self.pages,
            realloc = self.realloc,
            lowered = lowered.collect::<String>(),
            offered = offered.collect::<String>(),
            imported = imported.collect::<String>(),
            fields = self.fields,
            run = self.run,
            lifted = lifted(&format!("(memory $memory) (realloc $realloc) {}", self.options)),
        )
    }
}

/// The verdict's type, named as an import so that an export may use it.
pub(crate) const VERDICT: &str = r#"
  (type $record (record (field "success" bool) (field "latency" (option float64))
    (field "message" (option string)) (field "data" (option string))))
  (import "verdict" (type $verdict (eq $record)))"#;

/// The export `run`, of `$guest`'s function.
pub(crate) fn lifted(options: &str) -> String {
    format!(
        "(func (export \"run\") (result (result $verdict (error string)))
           (canon lift (core func $guest \"run\") {options}))"
    )
}
