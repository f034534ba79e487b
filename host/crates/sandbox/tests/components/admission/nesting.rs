//! W19: components in components, and instances of instances.

use wasm_encoder::{Component, ComponentSectionId, RawSection};

use super::{Row, invalid, text};

/// `levels` components, each of which instantiates the one before it so many times.
fn doubling(levels: u32, times: usize, how: &str) -> Vec<u8> {
    let mut components =
        vec!["(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned()];
    for level in 1..=levels {
        let before = level - 1;
        let reach = how.replace("BEFORE", &before.to_string());
        let instances = "(instance (instantiate $x))".repeat(times);
        components.push(format!("(component $c{level} {reach} {instances})"));
    }
    let components = components.concat();
    text(&format!(
        "(component {components} (instance (instantiate $c{levels})))"
    ))
}

/// So many components inside of each other.
fn deep(levels: usize) -> Vec<u8> {
    let mut bytes = Component::new().finish();
    for _ in 1..levels {
        let mut outer = Component::new();
        outer.section(&RawSection {
            id: ComponentSectionId::Component.into(),
            data: &bytes,
        });
        bytes = outer.finish();
    }
    bytes
}

fn side_by_side(count: usize) -> Vec<u8> {
    text(&format!("(component {})", "(component)".repeat(count)))
}

fn instances(count: usize) -> Vec<u8> {
    text(&format!(
        "(component (core module $m) {})",
        "(core instance (instantiate $m))".repeat(count)
    ))
}

pub(super) fn rows() -> Vec<Row> {
    let many = "instances of modules";
    let outer = "(alias outer 1 $cBEFORE (component $x))";
    vec![
        invalid(
            "W19",
            "a chain that doubles",
            doubling(60, 2, outer),
            &[many, "at most 200"],
        ),
        invalid(
            "W19",
            "a chain that grows by tens",
            doubling(3, 10, outer),
            &[many],
        ),
        invalid(
            "W19",
            "1,000 components in each other",
            deep(1_000),
            &["nested more than 8 deep"],
        ),
        invalid(
            "W19",
            "nine components in each other",
            deep(9),
            &["nested more than 8 deep"],
        ),
        invalid(
            "W19",
            "1,000 components beside each other",
            side_by_side(1_000),
            &["65 nested components", "at most 64"],
        ),
        invalid("W19", "1,000 instances", instances(1_000), &["1000", many]),
        invalid("W19", "201 instances", instances(201), &["201", many]),
    ]
}
