//! `/metrics`: for whoever has its token, and nowhere without one.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::json;
use vedette_api::ApiConfig;
use vedette_store::testing::TestDatabase;

use crate::world::{Answer, World};

async fn scrape(world: &World, authorization: Option<&str>) -> Answer {
    let mut request = Request::get("/metrics");
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

async fn measured() -> World {
    let config = ApiConfig {
        registration: vedette_api::Registration::Open,
        requests_per_minute: 0,
        metrics_token: Some("0123456789abcdef".to_owned().into()),
        ..ApiConfig::default()
    };
    World::configured(TestDatabase::sqlite().await, config)
}

#[tokio::test]
async fn without_a_token_in_the_settings_there_is_no_page() {
    let world = World::new().await;
    for authorization in [None, Some("Bearer "), Some("Bearer 0123456789abcdef")] {
        assert_eq!(scrape(&world, authorization).await.status, 404);
    }
}

#[tokio::test]
async fn only_the_token_opens_the_page() {
    let world = measured().await;
    let anna = world.account("anna").await;
    for authorization in [
        None,
        Some("Bearer "),
        Some("Bearer 0123456789abcde"),
        Some("Bearer 0123456789abcdeF"),
        Some("Basic 0123456789abcdef"),
        Some(format!("Bearer {}", anna.token).as_str()),
    ] {
        let refused = scrape(&world, authorization).await;
        assert_eq!(refused.status, 401, "{authorization:?}");
    }
    let answer = scrape(&world, Some("Bearer 0123456789abcdef")).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
}

#[tokio::test]
async fn requests_are_counted_by_template_and_quotas_by_organization() {
    let world = measured().await;
    let (admin, anna) = (world.account("admin").await, world.account("anna").await);
    let script = world.script(&anna, json!({})).await;
    let path = format!("/api/v1/scripts/{script}");
    assert_eq!(world.get(&anna, &path).await.status, 200);
    world.execution(&anna, &script).await;
    let organization = world.get(&anna, "/api/v1/organization").await.json();
    let id = organization["id"].as_str().unwrap();
    let quotas = format!("/api/v1/admin/organizations/{id}/quotas");
    let set = world
        .put(&admin, &quotas, json!({ "fuel_per_day": 4_000_000 }))
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    world.get(&anna, "/there/is/no/such/path").await;

    let text = scrape(&world, Some("Bearer 0123456789abcdef")).await.text;
    let counted = |labels: &str| {
        let line = format!("http_requests_total{{{labels}}} ");
        text.lines().any(|one| one.starts_with(&line))
    };
    assert!(
        counted(r#"method="GET",route="/api/v1/scripts/{script_id}",status="200""#),
        "{text}"
    );
    assert!(
        counted(r#"method="GET",route="none",status="404""#),
        "{text}"
    );
    assert!(!text.contains(&script), "never by script: {text}");
    let used = format!(
        r#"organization_quota_used_ratio{{organization="{id}",quota="fuel_per_day"}} 0.25"#
    );
    assert!(text.contains(&used), "{text}");
}
