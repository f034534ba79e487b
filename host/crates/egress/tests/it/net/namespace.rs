//! A network of the test's own: the test binary runs again in a new network namespace, in which
//! every address there is belongs to the loopback device. Nothing in it leads out.

use std::process::{Command, Output};

/// Set where a missing tool or right must fail the tests.
const REQUIRE_VARIABLE: &str = "VEDETTE_REQUIRE_SERVICES";
/// Which scenario the binary is to run inside.
pub(crate) const SCENARIO_VARIABLE: &str = "VEDETTE_TEST_SCENARIO";
/// The first line from inside: without it, the network could not be set up.
const INSIDE: &str = "inside the namespace";
/// The last line: without it, the scenario was not run to its end, if at all.
pub(crate) const ENDED: &str = "the scenario has ended";

/// A `local` route for everything makes each address one of this host, private and public alike:
/// whatever the guard lets through arrives at a listener of the test, and nowhere else.
const SET_UP: &str = r#"
set -e
ip link set lo up
ip route add local 0.0.0.0/0 dev lo
ip -6 route add local ::/0 dev lo
mount -t tmpfs vedette /mnt
printf 'nameserver 127.0.0.1\nsearch .\noptions timeout:1 attempts:1\n' >/mnt/resolv.conf
printf '127.0.0.1 localhost\n127.0.0.1 hosts-file.example.com\n' >/mnt/hosts
printf 'hosts: files dns\n' >/mnt/nsswitch.conf
mount --bind /mnt/resolv.conf /etc/resolv.conf
mount --bind /mnt/hosts /etc/hosts
# Absent in small containers, where the C library's own default is the same.
[ ! -e /etc/nsswitch.conf ] || mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf
echo inside the namespace
exec "$@"
"#;

/// Runs a scenario in a namespace of its own, with these environment variables, and gives back
/// what it wrote; `None`, with a line on standard error, where there can be no namespace and none
/// is required.
pub(crate) fn run(scenario: &str, environment: &[(&str, &str)]) -> Option<Output> {
    let binary = std::env::current_exe().unwrap();
    let started = Command::new("unshare")
        // Root inside, and nothing but what the caller is outside.
        .args(["--map-root-user", "--net", "--mount", "sh", "-c", SET_UP])
        .arg("sh")
        .arg(binary)
        .args(["--exact", "net::inside", "--ignored", "--nocapture"])
        .env(SCENARIO_VARIABLE, scenario)
        .envs(environment.iter().copied())
        .output();
    let why = match started {
        Ok(output) if text(&output.stdout).contains(INSIDE) => return Some(output),
        Ok(output) => text(&output.stderr),
        Err(error) => format!("`unshare` does not start: {error}"),
    };
    let hint = format!(
        "a network namespace cannot be made; it needs `unshare` and `mount` (util-linux), `ip` \
         (iproute2), IPv6, and the right to make user namespaces: {why}"
    );
    assert!(std::env::var_os(REQUIRE_VARIABLE).is_none(), "{hint}");
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    {
        eprintln!("SKIPPED: {hint}");
    }
    None
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
