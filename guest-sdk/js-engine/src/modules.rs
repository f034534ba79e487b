//! Modules: the script's own, and the parts of the realm that most scripts do without.
//!
//! A part is a file of `js/parts/`, a module that reaches the rest of the realm through
//! `import.meta`. The host keeps its bytecode and gives it when a script first asks, so that
//! the snapshot, which is copied for every run, does not hold it. Some parts are globals
//! (`js/globals.js` says which); those of [`IMPORTABLE`] are modules that a script imports.

use std::{
    cell::Cell,
    ffi::{CStr, c_char, c_void},
    ptr::{NonNull, null_mut},
};

use javy::quickjs::{
    Ctx, Error, Exception, Object, Promise, Result, Value, promise::PromiseState, qjs,
};

use crate::{bindings, realm};

/// The scheme of the modules that are built in.
const SCHEME: &str = "vedette:";

/// The parts that a script may import as `vedette:…`.
const IMPORTABLE: &[&str] = &["assert"];

thread_local! {
    /// Whether the script's static imports are done with, so that any other is a dynamic one.
    static IS_LINKED: Cell<bool> = const { Cell::new(false) };
}

/// A module that was not evaluated yet.
pub struct Module<'js> {
    ctx: Ctx<'js>,
    definition: NonNull<qjs::JSModuleDef>,
}

impl<'js> Module<'js> {
    /// Reads bytecode and loads what it imports.
    ///
    /// # Safety
    /// `compile` or `compile_part` of this very engine made the bytecode, and it stays where it
    /// is: functions go on reading their code there.
    pub unsafe fn load(ctx: &Ctx<'js>, bytecode: &[u8]) -> Result<Self> {
        let raw = ctx.as_raw().as_ptr();
        let flags = (qjs::JS_READ_OBJ_BYTECODE | qjs::JS_READ_OBJ_ROM_DATA).cast_signed();
        // SAFETY: the context is alive, the bytecode is the caller's promise, and a value that is
        // no exception is a module.
        unsafe {
            let value = qjs::JS_ReadObject(raw, bytecode.as_ptr(), bytecode.len() as _, flags);
            if qjs::JS_IsException(value) || qjs::JS_ResolveModule(raw, value) < 0 {
                return Err(Error::Exception);
            }
            let definition = NonNull::new(qjs::JS_VALUE_GET_PTR(value).cast());
            Ok(Self {
                ctx: ctx.clone(),
                definition: definition.ok_or(Error::Unknown)?,
            })
        }
    }

    /// `import.meta`
    fn meta(&self) -> Result<Object<'js>> {
        // SAFETY: the module is alive.
        let meta =
            unsafe { qjs::JS_GetImportMeta(self.ctx.as_raw().as_ptr(), self.definition.as_ptr()) };
        self.object(meta)
    }

    /// Runs it: what it exports, and the promise of its end.
    pub fn evaluate(self) -> Result<(Object<'js>, Promise<'js>)> {
        let raw = self.ctx.as_raw().as_ptr();
        // SAFETY: the context holds the module; evaluating drops one reference, hence the copy.
        let (ended, exports) = unsafe {
            let value = qjs::JS_MKPTR(qjs::JS_TAG_MODULE, self.definition.as_ptr().cast());
            let ended = qjs::JS_EvalFunction(raw, qjs::JS_DupValue(raw, value));
            if qjs::JS_IsException(ended) {
                return Err(Error::Exception);
            }
            let ended = Value::from_raw(self.ctx.clone(), ended);
            let exports = qjs::JS_GetModuleNamespace(raw, self.definition.as_ptr());
            (ended, self.object(exports)?)
        };
        let ended = ended.into_promise().ok_or(Error::Unknown)?;
        Ok((exports, ended))
    }

    fn object(&self, raw: qjs::JSValue) -> Result<Object<'js>> {
        // SAFETY: a live value of this context, and owned.
        let value = unsafe { Value::from_raw(self.ctx.clone(), raw) };
        value.into_object().ok_or(Error::Exception)
    }
}

/// Loads a part and gives what it exports. `js/globals.js` asks once for each.
pub fn load_part(ctx: Ctx<'_>, name: String) -> Result<Object<'_>> {
    let (exports, ended) = read_part(&ctx, &name)?.evaluate()?;
    match ended.state() {
        PromiseState::Resolved => Ok(exports),
        // Throws what it was rejected with.
        PromiseState::Rejected => ended
            .result::<()>()
            .unwrap_or(Err(Error::Unknown))
            .map(|()| exports),
        PromiseState::Pending => Err(Exception::throw_internal(&ctx, "a part waits")),
    }
}

fn read_part<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js>> {
    let bytecode = bindings::part(name).leak();
    // SAFETY: the host gives what `compile_part` made, and it is never freed.
    let module = unsafe { Module::load(ctx, bytecode) }?;
    module.meta()?.set("realm", realm::shared(ctx)?)?;
    Ok(module)
}

/// From now on, imports are answered.
pub fn answer_imports(ctx: &Ctx<'_>) {
    // SAFETY: the runtime is alive, and neither function needs anything of its own.
    unsafe {
        let runtime = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
        qjs::JS_SetModuleLoaderFunc(runtime, Some(normalize), Some(load_imported), null_mut());
    }
}

/// From now on, an import is a dynamic one.
pub fn end_static_imports() {
    IS_LINKED.set(true);
}

/// `HostLoadImportedModule` (ECMA-262, section 16.2.1.10), its first half: whether this name may be
/// imported at all. Asked before QuickJS looks for a module of that name, so that a script finds
/// none of the realm's own.
unsafe extern "C" fn normalize(
    ctx: *mut qjs::JSContext,
    _importer: *const c_char,
    name: *const c_char,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: QuickJS gives a live context and a name that ends with NUL.
    let (ctx, name) = unsafe {
        let ctx = Ctx::from_raw(NonNull::new_unchecked(ctx));
        (ctx, CStr::from_ptr(name))
    };
    let text = name.to_string_lossy();
    if IS_LINKED.get() {
        let why = "import() is not available: import at the top of the script";
        Exception::throw_type(&ctx, why);
        return null_mut();
    }
    let part = text.strip_prefix(SCHEME).unwrap_or_default();
    if !IMPORTABLE.contains(&part) {
        let shown: String = text.chars().take(100).collect();
        let why = format!(
            "there is no module \"{shown}\": a script can import vedette:assert and nothing else, \
             no packages, files or URLs"
        );
        Exception::throw_type(&ctx, &why);
        return null_mut();
    }
    // SAFETY: as above; QuickJS frees the copy.
    unsafe { qjs::js_strdup(ctx.as_raw().as_ptr(), name.as_ptr()) }
}

/// The second half: the module of a name that [`normalize`] let pass.
unsafe extern "C" fn load_imported(
    ctx: *mut qjs::JSContext,
    name: *const c_char,
    _: *mut c_void,
) -> *mut qjs::JSModuleDef {
    // SAFETY: as in `normalize`.
    let (ctx, name) = unsafe {
        let ctx = Ctx::from_raw(NonNull::new_unchecked(ctx));
        (ctx, CStr::from_ptr(name).to_string_lossy())
    };
    let part = name.strip_prefix(SCHEME).unwrap_or_default();
    match read_part(&ctx, part) {
        Ok(module) => module.definition.as_ptr(),
        // The exception is pending, which is what QuickJS expects.
        Err(_) => null_mut(),
    }
}
