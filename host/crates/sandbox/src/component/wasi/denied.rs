//! Interfaces that compilers bring and monitors may not use: file system, sockets, terminals.
//!
//! Their functions have the types that the component expects, whatever these are, and every answer
//! is a refusal. None of their resources is ever handed out but the network that name look-ups
//! ask for, so that all other methods are out of reach.

use wasmtime::{
    Engine,
    component::{
        LinkerInstance, Resource, ResourceAny, ResourceType, Type, Val, types::ComponentItem,
    },
    format_err,
};

use super::super::machine::{ComponentRun, Cx};

/// Each interface with the resources that are its own; others it only uses.
const DENIED: &[(&str, &[&str])] = &[
    ("wasi:cli/terminal-input", &["terminal-input"]),
    ("wasi:cli/terminal-output", &["terminal-output"]),
    ("wasi:cli/terminal-stdin", &[]),
    ("wasi:cli/terminal-stdout", &[]),
    ("wasi:cli/terminal-stderr", &[]),
    ("wasi:filesystem/preopens", &[]),
    (
        "wasi:filesystem/types",
        &["descriptor", "directory-entry-stream"],
    ),
    ("wasi:sockets/instance-network", &[]),
    ("wasi:sockets/ip-name-lookup", &["resolve-address-stream"]),
    ("wasi:sockets/network", &["network"]),
    ("wasi:sockets/tcp", &["tcp-socket"]),
    ("wasi:sockets/tcp-create-socket", &[]),
    (
        "wasi:sockets/udp",
        &[
            "udp-socket",
            "incoming-datagram-stream",
            "outgoing-datagram-stream",
        ],
    ),
    ("wasi:sockets/udp-create-socket", &[]),
];

/// What "not permitted" is called: in `wasi:filesystem`, in `wasi:sockets`.
const REFUSALS: &[&str] = &["not-permitted", "access-denied"];

/// Stands for every resource of these interfaces.
struct Nothing;

pub(super) fn is_denied(interface: &str) -> bool {
    DENIED.iter().any(|(name, _)| *name == interface)
}

pub(super) fn link(
    instance: &mut LinkerInstance<'_, ComponentRun>,
    interface: &str,
    import: &ComponentItem,
    engine: &Engine,
) -> wasmtime::Result<()> {
    let ComponentItem::ComponentInstance(import) = import else {
        return Ok(());
    };
    let own = DENIED.iter().find(|(name, _)| *name == interface);
    let own = own.map_or(&[][..], |(_, resources)| resources);
    for (name, item) in import.exports(engine) {
        match item.ty {
            ComponentItem::Resource(_) if own.contains(&name) => {
                instance.resource(name, ResourceType::host::<Nothing>(), |mut cx, rep| {
                    let network = Resource::<Nothing>::new_own(rep);
                    cx.data_mut().run.table.delete(network)?;
                    Ok(())
                })?;
            }
            ComponentItem::ComponentFunc(_) => {
                let shown = format!("{interface}.{name}");
                instance.func_new(name, move |mut cx: Cx<'_>, ty, arguments, results| {
                    cx.data().count_call();
                    give_back(&mut cx, arguments)?;
                    for (result, ty) in results.iter_mut().zip(ty.results()) {
                        *result = refusal(&mut cx, &ty)
                            .transpose()
                            .unwrap_or_else(|| Err(format_err!("{shown} is not permitted")))?;
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a function borrows, it has to give back before it answers.
fn give_back(cx: &mut Cx<'_>, arguments: &[Val]) -> wasmtime::Result<()> {
    for argument in arguments {
        if let Val::Resource(resource) = argument {
            Resource::<Nothing>::try_from_resource_any(*resource, &mut *cx)?;
        }
    }
    Ok(())
}

/// The answer of a type that says no: an error, nothing, an empty list.
fn refusal(cx: &mut Cx<'_>, ty: &Type) -> wasmtime::Result<Option<Val>> {
    Ok(match ty {
        Type::Result(result) => match result.err() {
            Some(Type::Enum(codes)) => {
                let mut codes = codes.names();
                codes
                    .find(|name| REFUSALS.contains(name))
                    .map(|name| Val::Result(Err(Some(Box::new(Val::Enum(name.to_owned()))))))
            }
            None => Some(Val::Result(Err(None))),
            Some(_) => None,
        },
        Type::Option(_) => Some(Val::Option(None)),
        Type::List(_) => Some(Val::List(Vec::new())),
        // `instance-network`, without which no name can be looked up, and no refusal be given.
        Type::Own(_) => {
            let network = cx.data_mut().run.table.push(Nothing)?;
            let network = ResourceAny::try_from_resource(network, &mut *cx)?;
            Some(Val::Resource(network))
        }
        _ => None,
    })
}
