//! File system and sockets: there to be imported, and every answer is a refusal.

use vedette_core::ErrorClass;

use crate::{assert_error, assert_success, guest::Guest, run};

const FILES: &str = r#"
  (import "wasi:filesystem/types@0.2.0" (instance $files
    (export "descriptor" (type $descriptor (sub resource)))
    (type $code' (enum "access" "not-permitted"))
    (export "error-code" (type $code (eq $code')))
    (export "[method]descriptor.sync" (func (param "self" (borrow $descriptor))
      (result (result (error $code)))))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $d))
    (export "descriptor" (type $e (eq $d)))
    (export "get-directories" (func (result (list (tuple (own $e) string)))))))"#;

#[tokio::test]
async fn there_is_no_folder() {
    let guest =
        Guest::new("(call $folders (i32.const 100)) (call $count (i32.load (i32.const 104)))")
            .import(FILES)
            .call("folders", "$preopens \"get-directories\"", "(param i32)")
            .fields("(data (i32.const 104) \"\\ff\")");
    let outcome = run(&guest).await;
    assert_success(&outcome);
    assert_eq!(outcome.latency_ms, Some(0.0), "so many folders");
}

/// Without a folder there is no descriptor, and one that is made up is none.
#[tokio::test]
async fn a_descriptor_cannot_be_made_up() {
    for handle in [0, 1, 3, -1] {
        let guest = Guest::new(format!(
            "(call $sync (i32.const {handle}) (i32.const 100)) (call $success)"
        ))
        .import(FILES)
        .call(
            "sync",
            "$files \"[method]descriptor.sync\"",
            "(param i32 i32)",
        );
        assert_error(&run(&guest).await, ErrorClass::Trap, "handle");
    }
}

/// With `codes` as the error codes, which a component can declare as it likes.
fn sockets(codes: &str) -> String {
    format!(
        r#"
  (import "wasi:sockets/network@0.2.0" (instance $network
    (export "network" (type $network (sub resource)))
    (type $code' (enum {codes}))
    (export "error-code" (type $code (eq $code')))
    (type $family' (enum "ipv4" "ipv6"))
    (export "ip-address-family" (type $family (eq $family')))))
  (alias export $network "network" (type $net))
  (alias export $network "error-code" (type $error-code))
  (alias export $network "ip-address-family" (type $address-family))
  (import "wasi:sockets/instance-network@0.2.0" (instance $instance
    (alias outer 1 $net (type $n')) (export "network" (type $n (eq $n')))
    (export "instance-network" (func (result (own $n))))))
  (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
  (alias export $tcp "tcp-socket" (type $tcp-socket))
  (import "wasi:sockets/udp@0.2.0" (instance $udp (export "udp-socket" (type (sub resource)))))
  (alias export $udp "udp-socket" (type $udp-socket))
  (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create-tcp
    (alias outer 1 $tcp-socket (type $s')) (export "tcp-socket" (type $s (eq $s')))
    (alias outer 1 $error-code (type $e')) (export "error-code" (type $e (eq $e')))
    (alias outer 1 $address-family (type $f')) (export "ip-address-family" (type $f (eq $f')))
    (export "create-tcp-socket" (func (param "address-family" $f) (result (result (own $s) (error $e)))))))
  (import "wasi:sockets/udp-create-socket@0.2.0" (instance $create-udp
    (alias outer 1 $udp-socket (type $s')) (export "udp-socket" (type $s (eq $s')))
    (alias outer 1 $error-code (type $e')) (export "error-code" (type $e (eq $e')))
    (alias outer 1 $address-family (type $f')) (export "ip-address-family" (type $f (eq $f')))
    (export "create-udp-socket" (func (param "address-family" $f) (result (result (own $s) (error $e)))))))
  (import "wasi:sockets/ip-name-lookup@0.2.0" (instance $lookup
    (export "resolve-address-stream" (type $stream (sub resource)))
    (alias outer 1 $net (type $n')) (export "network" (type $n (eq $n')))
    (alias outer 1 $error-code (type $e')) (export "error-code" (type $e (eq $e')))
    (export "resolve-addresses" (func (param "network" (borrow $n)) (param "name" string)
      (result (result (own $stream) (error $e)))))))"#
    )
}

const CALLS: [(&str, &str); 3] = [
    ("tcp", "(call $tcp (i32.const 0) (i32.const 100))"),
    ("udp", "(call $udp (i32.const 1) (i32.const 100))"),
    (
        "look-up",
        "(call $resolve (call $network) (i32.const 1024) (i32.const 9) (i32.const 100))",
    ),
];

fn asks_for_sockets(codes: &str, call: &str, after: &str) -> Guest {
    Guest::new(format!("{call} {after}"))
        .import(&sockets(codes))
        .call(
            "tcp",
            "$create-tcp \"create-tcp-socket\"",
            "(param i32 i32)",
        )
        .call(
            "udp",
            "$create-udp \"create-udp-socket\"",
            "(param i32 i32)",
        )
        .call("network", "$instance \"instance-network\"", "(result i32)")
        .call(
            "resolve",
            "$lookup \"resolve-addresses\"",
            "(param i32 i32 i32 i32)",
        )
        .text(1024, "localhost")
}

#[tokio::test]
async fn no_socket_is_made_and_no_name_looked_up() {
    for (name, call) in CALLS {
        // Which error code it is, if it is one.
        let after = "(if (i32.ne (i32.load8_u (i32.const 100)) (i32.const 1)) (then (unreachable)))
          (call $count (i32.load8_u (i32.const 104)))";
        let guest = asks_for_sockets(
            "\"unknown\" \"access-denied\" \"not-supported\"",
            call,
            after,
        );
        let outcome = run(&guest).await;
        assert_success(&outcome);
        assert_eq!(outcome.latency_ms, Some(1.0), "{name}");
        assert_eq!(outcome.requests, [], "{name}");
    }
}

/// A component that knows no word for a refusal is refused all the same.
#[tokio::test]
async fn who_knows_no_word_for_a_refusal_is_stopped() {
    for (name, call) in CALLS {
        let guest = asks_for_sockets("\"unknown\" \"fine\"", call, "(call $success)");
        let outcome = run(&guest).await;
        assert_error(&outcome, ErrorClass::Trap, "is not permitted");
        assert!(outcome.message.unwrap().contains("wasi:sockets/"), "{name}");
    }
}

const TERMINAL: &str = r#"
  (import "wasi:cli/terminal-output@0.2.0" (instance $terminal (export "terminal-output" (type (sub resource)))))
  (alias export $terminal "terminal-output" (type $output))
  (import "wasi:cli/terminal-stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $o')) (export "terminal-output" (type $o (eq $o')))
    (export "get-terminal-stdout" (func (result (option (own $o)))))))"#;

#[tokio::test]
async fn there_is_no_terminal() {
    let guest =
        Guest::new("(call $terminal (i32.const 100)) (call $count (i32.load8_u (i32.const 100)))")
            .import(TERMINAL)
            .call("terminal", "$stdout \"get-terminal-stdout\"", "(param i32)")
            .fields("(data (i32.const 100) \"\\ff\")");
    let outcome = run(&guest).await;
    assert_eq!(outcome.latency_ms, Some(0.0), "{outcome:#?}");
}
