//! Compiling uploaded components: in a process of their own where there can be one.

use vedette_core::ComponentRefusal;
use vedette_sandbox::component::Artifact;

/// The argument that makes the binary a compiler.
#[cfg(target_os = "linux")]
pub(crate) const COMPILE_COMPONENT: &str = "compile-component";

/// Native code of a component that was inspected.
#[cfg(target_os = "linux")]
pub(crate) async fn compile(bytes: &[u8]) -> Result<Artifact, ComponentRefusal> {
    use vedette_sandbox::process::{CompilerLimits, compile_component};
    let arguments = [COMPILE_COMPONENT.into()];
    let program = std::path::Path::new("/proc/self/exe");
    compile_component(program, &arguments, bytes, CompilerLimits::default()).await
}

/// Elsewhere no server takes components, and the command line compiles what its user gives it.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn compile(bytes: &[u8]) -> Result<Artifact, ComponentRefusal> {
    vedette_sandbox::component::compile(bytes)
}
