//! The table of kinds of rules, their fields and bounds.

use super::{MAX_CHANGES, MAX_CONSECUTIVE};

/// A kind of rule.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) fields: &'static [Field],
}

impl Kind {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A field of a kind.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) kind: FieldKind,
    pub(super) preset: Preset,
}

/// What a field holds. Bounds are inclusive.
#[derive(Clone, Copy)]
pub(super) enum FieldKind {
    Integer { least: u32, most: u32 },
    Number { least: u32, most: u32 },
    Boolean,
    Operator,
    Window,
}

/// What a field is when it is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Preset {
    Required,
    Integer(u32),
    Boolean(bool),
    Text(&'static str),
}

const fn consecutive(name: &'static str, about: &'static str, preset: u32) -> Field {
    Field {
        name,
        about,
        kind: FieldKind::Integer {
            least: 1,
            most: MAX_CONSECUTIVE,
        },
        preset: Preset::Integer(preset),
    }
}

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "status_change",
        about: "The target is down, and up again.",
        fields: &[
            consecutive(
                "consecutive_failures",
                "Failures in a row that it takes to fire.",
                3,
            ),
            consecutive(
                "consecutive_successes",
                "Successes in a row that it takes to recover.",
                2,
            ),
            Field {
                name: "recheck",
                about: "Whether a first failure is checked again after a few seconds before it counts.",
                kind: FieldKind::Boolean,
                preset: Preset::Boolean(false),
            },
        ],
    },
    Kind {
        name: "latency",
        about: "The target answers too slowly, or suspiciously fast.",
        fields: &[
            Field {
                name: "threshold_ms",
                about: "Milliseconds.",
                kind: FieldKind::Number {
                    least: 1,
                    most: 600_000,
                },
                preset: Preset::Required,
            },
            Field {
                name: "operator",
                about: "How a latency has to stand to the threshold to count against the target.",
                kind: FieldKind::Operator,
                preset: Preset::Text(">"),
            },
            consecutive(
                "consecutive",
                "Executions in a row that it takes to fire, and to recover.",
                3,
            ),
        ],
    },
    Kind {
        name: "error",
        about: "The check itself is broken.",
        fields: &[consecutive(
            "consecutive",
            "Errors in a row that it takes to fire, and verdicts in a row to recover.",
            3,
        )],
    },
    Kind {
        name: "no_data",
        about: "There is no verdict.",
        fields: &[consecutive(
            "intervals",
            "Slots of the schedule after the last verdict that passed without one.",
            3,
        )],
    },
    Kind {
        name: "certificate_expiry",
        about: "A certificate ends soon.",
        fields: &[Field {
            name: "days",
            about: "In this many days, or fewer.",
            kind: FieldKind::Integer {
                least: 1,
                most: 365,
            },
            preset: Preset::Integer(14),
        }],
    },
    Kind {
        name: "uptime",
        about: "Too few of the verdicts of a window are well.",
        fields: &[
            Field {
                name: "below_percent",
                about: "Percent of the verdicts, of which fewer than this are well.",
                kind: FieldKind::Number {
                    least: 1,
                    most: 100,
                },
                preset: Preset::Required,
            },
            Field {
                name: "window",
                about: "How far it looks back: 5 to 99 minutes, 1 to 99 hours or 1 to 30 days.",
                kind: FieldKind::Window,
                preset: Preset::Required,
            },
        ],
    },
    Kind {
        name: "flapping",
        about: "The target goes up and down.",
        fields: &[
            Field {
                name: "changes",
                about: "Changes between up and down within the window that it takes to fire.",
                kind: FieldKind::Integer {
                    least: 2,
                    most: MAX_CHANGES,
                },
                preset: Preset::Integer(4),
            },
            Field {
                name: "window",
                about: "How far it looks back: 5 to 99 minutes, 1 to 99 hours or 1 to 30 days.",
                kind: FieldKind::Window,
                preset: Preset::Text("1h"),
            },
        ],
    },
];
