//! Every row of `corpora/ssrf.tsv` that can be judged without a network.

use std::net::IpAddr;

use vedette_egress::{
    FetchError, Guard, Policy, SessionLimits,
    address::denied_by,
    request_rules::{check_headers, check_method},
};

use crate::rows::of_kind as rows;

fn guard() -> Guard {
    Guard::new(Policy::default()).unwrap()
}

#[test]
fn every_address_is_judged_right() {
    let rows = rows("addr");
    assert!(rows.len() > 100, "{}", rows.len());
    for row in rows {
        let address: IpAddr = row.input.parse().unwrap();
        let verdict = if denied_by(address).is_some() {
            "deny"
        } else {
            "allow"
        };
        assert_eq!(verdict, row.expected, "{} {}", row.id, row.input);
    }
}

#[test]
fn every_url_is_judged_right_and_at_its_stage() {
    let rows = rows("url");
    assert!(rows.len() > 140, "{}", rows.len());
    for row in rows {
        let found = guard().explain(&row.input);
        assert_eq!(
            found.verdict, row.expected,
            "{} {:?}: {found:?}",
            row.id, row.input
        );
        if let Some(stage) = found.stage {
            assert_eq!(
                stage.to_string(),
                row.stage,
                "{} {:?}: {found:?}",
                row.id,
                row.input
            );
        }
    }
}

#[test]
fn every_header_and_method_is_judged_right() {
    let limits = SessionLimits::default();
    let header = |name: &str, value: &str| {
        check_headers(&[(name.to_owned(), value.as_bytes().to_vec())], &limits).map(drop)
    };
    // Of several headers in one row, each has to be refused by itself.
    let all_refused = |headers: &[(&str, &str)]| {
        let refusals = headers.iter().map(|(name, value)| header(name, value));
        let mut refusals: Vec<_> = refusals.collect();
        assert!(
            refusals.iter().all(Result::is_err),
            "{headers:?}: {refusals:?}"
        );
        refusals.remove(0)
    };
    for row in rows("request") {
        let found: Result<(), FetchError> = match row.id {
            "H-001" | "H-002" => header("Host", "169.254.169.254"),
            "H-003" => header(":authority", "evil"),
            "H-004" => header("X-A\r\nHost", "x"),
            "H-005" => header("X-A", "a\r\nHost: 127.0.0.1"),
            "H-007" => header("X-A", "a\nb"),
            "H-008" => header("X-A", "a\r\n x"),
            "H-009" => all_refused(&[("X A", "x"), ("X:A", "x")]),
            "H-012" => all_refused(&[("Content-Length", "5"), ("Transfer-Encoding", "chunked")]),
            "H-013" => all_refused(&[("Connection", "upgrade"), ("Upgrade", "h2c")]),
            "H-015" => header("Expect", "100-continue"),
            "H-017" => header("X-Forwarded-For", "127.0.0.1"),
            "H-018" => header("Metadata-Flavor", "Google"),
            "H-019" => header("X-aws-ec2-metadata-token-ttl-seconds", "60"),
            "H-020" => header("X-HTTP-Method-Override", "CONNECT"),
            "H-023" => check_method("TRACK").map(drop),
            "H-024" => check_method("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET").map(drop),
            "H-025" => check_method("get").map(|method| assert_eq!(method, "GET")),
            "H-027" => header("X-A", &"a".repeat(1024 * 1024)),
            "H-028" => match guard()
                .explain(&format!("http://a.com/{}", "a".repeat(65_536)))
                .verdict
            {
                "deny" => Err(FetchError::TooManyRedirects),
                _ => Ok(()),
            },
            // Told in `net` only: what stands on the wire, how many at once, and addresses.
            "H-030" | "H-031" | "H-033" | "H-034" => continue,
            other => panic!("{other}: {} is not tested", row.input),
        };
        let verdict = if found.is_err() { "deny" } else { "allow" };
        assert_eq!(verdict, row.expected, "{} {}: {found:?}", row.id, row.input);
    }
}

#[test]
fn what_the_operator_allows_is_allowed_and_nothing_else() {
    let policy = Policy {
        allow: vec!["10.1.0.0/16".parse().unwrap()],
        ..Policy::default()
    };
    let guard = Guard::new(policy).unwrap();
    for (url, verdict) in [
        ("http://10.1.2.3/", "allow"),
        ("http://10.2.2.3/", "deny"),
        ("http://127.0.0.1/", "deny"),
        ("http://169.254.169.254/", "deny"),
        ("http://intranet/", "allow"),
        ("http://wiki.corp/", "allow"),
        ("http://metadata.google.internal/", "deny"),
        ("http://x.onion/", "deny"),
        ("http://10.1.2.3:6379/", "deny"),
        ("http://user@10.1.2.3/", "deny"),
        ("ftp://10.1.2.3/", "deny"),
    ] {
        assert_eq!(guard.explain(url).verdict, verdict, "{url}");
    }
}

/// The layouts of RFC 6052 section 2.2: the IPv4 address follows the prefix, and the octet from
/// bit 64 to 71 is left out.
#[test]
fn what_a_translator_carries_is_judged_as_itself() {
    for (prefix, private, public) in [
        ("2a01:db00::/32", "2a01:db00:a00:1::", "2a01:db00:808:808::"),
        ("2a01:db00::/40", "2a01:db00:a:0:1::", "2a01:db00:8:808:8::"),
        (
            "2a01:db00:64::/48",
            "2a01:db00:64:a00:0:100::",
            "2a01:db00:64:808:8:800::",
        ),
        (
            "2a01:db00:64::/56",
            "2a01:db00:64:a:0:1::",
            "2a01:db00:64:8:8:808::",
        ),
        (
            "2a01:db00:64::/64",
            "2a01:db00:64:0:a:0:100:0",
            "2a01:db00:64:0:8:808:800:0",
        ),
        (
            "2a01:db00:64::/96",
            "2a01:db00:64::a00:1",
            "2a01:db00:64::808:808",
        ),
        // The well-known prefix is refused unless this network is known to use it.
        ("64:ff9b::/96", "64:ff9b::a00:1", "64:ff9b::808:808"),
    ] {
        let policy = Policy {
            nat64: vec![prefix.parse().unwrap()],
            ..Policy::default()
        };
        let knowing = Guard::new(policy.clone()).unwrap();
        let verdict = |address: &str| knowing.explain(&format!("http://[{address}]/")).verdict;
        assert_eq!(verdict(private), "deny", "{prefix} {private}");
        assert_eq!(verdict(public), "allow", "{prefix} {public}");
        let opened = Guard::new(Policy {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            ..policy
        });
        let found = opened.unwrap().explain(&format!("http://[{private}]/"));
        assert_eq!(found.verdict, "allow", "{prefix} {private}: {found:?}");
    }
    let unknowing = guard().explain("http://[64:ff9b::808:808]/");
    assert_eq!(unknowing.verdict, "deny");
    for prefix in ["2a01:db00::/33", "2a01:db00::/128"] {
        let policy = Policy {
            nat64: vec![prefix.parse().unwrap()],
            ..Policy::default()
        };
        assert!(Guard::new(policy).is_err(), "{prefix}");
    }
}
