//! The size of a component in every direction, before anything is validated or compiled.
//!
//! The caps of the validator are there so that engines agree with each other, and are no bounds
//! of safety: it takes a million functions. What is counted here costs a compiler time or memory.

use vedette_core::Producer;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, CustomSectionReader, Data, Encoding, Instance, KnownCustom, Parser, Payload,
    SectionLimited, TypeBounds,
};

use super::admission::{Refused, invalid, shown, told};
use crate::limits::component as caps;

/// A page of linear memory, in bytes.
const PAGE_BYTES: u64 = 65_536;

/// Tools that are told.
const PRODUCERS: usize = 32;

/// What was counted in a component with everything that lies in it.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) functions: u64,
    pub(super) memory_bytes: u64,
    pub(super) producers: Vec<Producer>,
    /// Names of the outermost component.
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    modules: u64,
    components: u64,
    types: u64,
    items: u64,
    memories: u64,
    tables: u64,
    table_elements: u64,
    segments: u64,
    data_bytes: u64,
    code_bytes: u64,
    custom_sections: u64,
}

/// A component or a module that is being read.
struct Frame {
    is_module: bool,
    /// Core instances that one instance of this component makes, those of its own components
    /// included.
    instances: u64,
    /// The same of each component in this one's index space.
    components: Vec<u64>,
}

/// Counts, and stops at the first count that is too large.
pub(super) fn count(bytes: &[u8]) -> Result<Counts, Refused> {
    let mut counts = Counts::default();
    let mut frames: Vec<Frame> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| malformed(&error))?;
        match &payload {
            Payload::Version { encoding, .. } => {
                frames.push(Frame {
                    is_module: *encoding == Encoding::Module,
                    instances: 0,
                    components: Vec::new(),
                });
                if frames.len() > caps::DEPTH {
                    return Err(invalid(format!(
                        "its components are nested more than {} deep",
                        caps::DEPTH
                    )));
                }
            }
            Payload::End(_) => {
                let ended = frames.pop().ok_or_else(|| invalid("it ends twice"))?;
                if let Some(outer) = frames.last_mut()
                    && !ended.is_module
                {
                    outer.components.push(ended.instances);
                }
            }
            _ => {
                let mut outer = frames.split_last_mut();
                if let Some((frame, outer)) = &mut outer {
                    nested(&payload, frame, outer)?;
                }
                counts.add(&payload)?;
                if frames.len() == 1 {
                    counts.outermost(&payload)?;
                }
            }
        }
    }
    Ok(counts)
}

/// Follows which component is instantiated how often: each may instantiate the one before it
/// twice, which makes 2⁶⁴ instances of 64 components.
fn nested(payload: &Payload<'_>, frame: &mut Frame, outer: &[Frame]) -> Result<(), Refused> {
    match payload {
        Payload::InstanceSection(section) => {
            for instance in section.clone() {
                if let Instance::Instantiate { .. } = instance.map_err(|e| malformed(&e))? {
                    frame.instances += 1;
                }
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section.clone() {
                if let ComponentInstance::Instantiate {
                    component_index, ..
                } = instance.map_err(|e| malformed(&e))?
                {
                    let known = usize::try_from(component_index)
                        .ok()
                        .and_then(|index| frame.components.get(index));
                    let made = known.ok_or_else(|| {
                        invalid("it instantiates a component that does not exist")
                    })?;
                    // Itself, so that empty ones count too.
                    frame.instances = frame.instances.saturating_add(made.saturating_add(1));
                }
            }
        }
        Payload::ComponentAliasSection(section) => {
            for alias in section.clone() {
                match alias.map_err(|e| malformed(&e))? {
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Component,
                        ..
                    } => frame.components.push(costliest(frame, outer)),
                    ComponentAlias::Outer {
                        kind: ComponentOuterAliasKind::Component,
                        count,
                        index,
                    } => {
                        let found = outer_component(frame, outer, count, index);
                        frame.components.push(found.unwrap_or(u64::MAX));
                    }
                    _ => {}
                }
            }
        }
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                if let ComponentTypeRef::Component(_) = import.map_err(|e| malformed(&e))?.ty {
                    frame.components.push(costliest(frame, outer));
                }
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                let export = export.map_err(|e| malformed(&e))?;
                if export.kind == ComponentExternalKind::Component {
                    let index = usize::try_from(export.index).unwrap_or(usize::MAX);
                    let made = frame.components.get(index).copied();
                    frame.components.push(made.unwrap_or(u64::MAX));
                }
            }
        }
        _ => return Ok(()),
    }
    at_most(frame.instances, caps::INSTANCES, "instances of modules")
}

/// A component that came by a way that is not followed here makes at most as many instances as the
/// costliest that it can be.
fn costliest(frame: &Frame, outer: &[Frame]) -> u64 {
    let all = outer.iter().chain([frame]);
    all.flat_map(|frame| &frame.components)
        .copied()
        .max()
        .unwrap_or(0)
}

fn outer_component(frame: &Frame, outer: &[Frame], count: u32, index: u32) -> Option<u64> {
    let up = usize::try_from(count).ok()?;
    let frame = match up {
        0 => frame,
        _ => outer.get(outer.len().checked_sub(up)?)?,
    };
    let index = usize::try_from(index).ok()?;
    frame.components.get(index).copied()
}

impl Counts {
    fn add(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        match payload {
            Payload::ModuleSection { .. } => {
                self.modules += 1;
                at_most(self.modules, caps::MODULES, "modules")?;
            }
            Payload::ComponentSection { .. } => {
                self.components += 1;
                at_most(self.components, caps::COMPONENTS, "nested components")?;
            }
            Payload::TypeSection(section) => self.types(section.count())?,
            Payload::CoreTypeSection(section) => self.types(section.count())?,
            Payload::ComponentTypeSection(section) => self.types(section.count())?,
            Payload::FunctionSection(section) => {
                self.functions += u64::from(section.count());
                at_most(self.functions, caps::FUNCTIONS, "functions")?;
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                at_most(bytes, caps::FUNCTION_BYTES, "bytes in one function")?;
                self.code_bytes += bytes;
                at_most(self.code_bytes, caps::CODE_BYTES, "bytes of code")?;
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let memory = memory.map_err(|e| malformed(&e))?;
                    let page = memory
                        .page_size_log2
                        .map_or(Some(PAGE_BYTES), |log2| 1u64.checked_shl(log2));
                    let bytes = page.and_then(|page| memory.initial.checked_mul(page));
                    self.memory(bytes.unwrap_or(u64::MAX))?;
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let table = table.map_err(|e| malformed(&e))?;
                    self.tables += 1;
                    at_most(self.tables, caps::TABLES, "tables")?;
                    self.table_elements = self.table_elements.saturating_add(table.ty.initial);
                    at_most(self.table_elements, caps::TABLE_ELEMENTS, "table elements")?;
                }
            }
            Payload::DataSection(section) => {
                self.segments(section)?;
                for data in section.clone() {
                    let Data { data, .. } = data.map_err(|e| malformed(&e))?;
                    self.data_bytes += data.len() as u64;
                }
                at_most(self.data_bytes, caps::MEMORY_BYTES as u64, "bytes of data")?;
            }
            Payload::ElementSection(section) => self.segments(section)?,
            Payload::ImportSection(section) => self.items(section)?,
            Payload::ExportSection(section) => self.items(section)?,
            Payload::GlobalSection(section) => self.items(section)?,
            Payload::TagSection(section) => self.items(section)?,
            Payload::InstanceSection(section) => self.items(section)?,
            Payload::ComponentInstanceSection(section) => self.items(section)?,
            Payload::ComponentAliasSection(section) => self.items(section)?,
            Payload::ComponentCanonicalSection(section) => self.items(section)?,
            Payload::ComponentImportSection(section) => self.items(section)?,
            Payload::ComponentExportSection(section) => self.items(section)?,
            Payload::CustomSection(section) => {
                self.custom_sections += 1;
                let most = caps::CUSTOM_SECTIONS;
                at_most(self.custom_sections, most, "custom sections")?;
                self.producers(section);
            }
            _ => {}
        }
        Ok(())
    }

    fn outermost(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    let import = import.map_err(|e| malformed(&e))?;
                    // A name for a type that is known anyway, such as that of the verdict.
                    if let ComponentTypeRef::Type(TypeBounds::Eq(_)) = import.ty {
                        continue;
                    }
                    self.imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export.map_err(|e| malformed(&e))?;
                    self.exports.push(export.name.name.to_owned());
                }
            }
            _ => {}
        }
        at_most(self.imports.len() as u64, caps::IMPORTS, "imports")
    }

    fn memory(&mut self, bytes: u64) -> Result<(), Refused> {
        self.memories += 1;
        at_most(self.memories, caps::MEMORIES, "memories")?;
        self.memory_bytes = self.memory_bytes.saturating_add(bytes);
        let most = caps::MEMORY_BYTES as u64;
        at_most(self.memory_bytes, most, "bytes of memory at its start")
    }

    fn types(&mut self, more: u32) -> Result<(), Refused> {
        self.types += u64::from(more);
        at_most(self.types, caps::TYPES, "types")
    }

    fn segments<T>(&mut self, section: &SectionLimited<'_, T>) -> Result<(), Refused> {
        self.segments += u64::from(section.count());
        at_most(
            self.segments,
            caps::SEGMENTS,
            "segments of data and elements",
        )
    }

    fn items<T>(&mut self, section: &SectionLimited<'_, T>) -> Result<(), Refused> {
        self.items += u64::from(section.count());
        let what = "imports, exports, globals, instances, aliases and adapters together";
        at_most(self.items, caps::ITEMS, what)
    }

    /// Tells nothing of a section that cannot be read: it means nothing to anybody.
    fn producers(&mut self, section: &CustomSectionReader<'_>) {
        let KnownCustom::Producers(fields) = section.as_known() else {
            return;
        };
        for field in fields {
            let Ok(field) = field else { return };
            for value in field.values {
                let Ok(value) = value else { return };
                let producer = Producer {
                    field: shown(field.name),
                    name: shown(value.name),
                    version: shown(value.version),
                };
                if self.producers.len() < PRODUCERS && !self.producers.contains(&producer) {
                    self.producers.push(producer);
                }
            }
        }
    }
}

fn at_most(found: u64, most: u64, what: &str) -> Result<(), Refused> {
    if found <= most {
        return Ok(());
    }
    let found = match found {
        u64::MAX => "far more".to_owned(),
        found => found.to_string(),
    };
    Err(invalid(format!(
        "it has {found} {what}, at most {most} are allowed"
    )))
}

/// The parser's words about bytes that are no component.
pub(super) fn malformed(error: &wasmparser::Error) -> Refused {
    invalid(format!(
        "it is not well formed: {} (at byte {})",
        told(error.message()),
        error.offset()
    ))
}
