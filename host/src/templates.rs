//! The templates of `templates/`, as they are shipped with the binary.

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use vedette_core::{Clock, TemplateId};
use vedette_store::{NewTemplate, Store};

/// Folder name, `template.toml`, `monitor.js`.
macro_rules! templates {
    ($($slug:literal),+ $(,)?) => {
        &[$((
            $slug,
            include_str!(concat!("../../templates/", $slug, "/template.toml")),
            include_str!(concat!("../../templates/", $slug, "/monitor.js")),
        ),)+]
    };
}

const TEMPLATES: &[(&str, &str, &str)] = templates![
    "http-status",
    "json-api",
    "keyword",
    "latency-budget",
    "login-flow",
    "tls-expiry"
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateFile {
    name: String,
    description: String,
    /// JSON Schema, written as TOML.
    parameters: Value,
}

/// Reads all templates.
pub(crate) fn all(clock: &dyn Clock) -> anyhow::Result<Vec<NewTemplate>> {
    let read = |(slug, file, source): &(&str, &str, &str)| {
        let file: TemplateFile =
            toml::from_str(file).with_context(|| format!("templates/{slug}/template.toml"))?;
        Ok(NewTemplate {
            id: TemplateId::generate(clock),
            slug: (*slug).to_owned(),
            name: file.name,
            description: file.description,
            parameter_schema: file.parameters,
            script_body: (*source).to_owned(),
        })
    };
    TEMPLATES.iter().map(read).collect()
}

/// Keeps them in the database, where scripts refer to them.
pub(crate) async fn install(store: &Store, clock: &dyn Clock) -> anyhow::Result<()> {
    for template in all(clock)? {
        store.upsert_template(&template, clock.now()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_a_template_that_reads() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates");
        let mut folders: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort();
        let templates = all(&vedette_core::SystemClock).unwrap();
        let slugs: Vec<_> = templates
            .iter()
            .map(|template| template.slug.clone())
            .collect();
        assert_eq!(folders, slugs);
        for template in templates {
            assert_eq!(
                template.parameter_schema["type"], "object",
                "{}",
                template.slug
            );
            assert!(
                template.parameter_schema["properties"]["url"].is_object(),
                "{}",
                template.slug
            );
        }
    }
}
