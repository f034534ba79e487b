//! What a monitor can import, as far as the tests call it, in the text format.

/// `vedette:monitor/fetch`
pub(crate) const FETCH: &str = r#"
  (import "vedette:monitor/fetch@0.1.0" (instance $fetch
    (type $header' (record (field "name" string) (field "value" (list u8))))
    (export "header" (type $header (eq $header')))
    (type $mode' (enum "follow" "manual" "error"))
    (export "redirect-mode" (type $mode (eq $mode')))
    (type $request' (record (field "method" string) (field "url" string)
      (field "headers" (list $header)) (field "body" (option (list u8)))
      (field "redirect" $mode) (field "timeout-ms" (option u32))))
    (export "request" (type $request (eq $request')))
    (type $timings' (record (field "dns" (option u64)) (field "connect" (option u64))
      (field "tls" (option u64)) (field "first-byte" u64) (field "download" u64) (field "total" u64)))
    (export "timings" (type $timings (eq $timings')))
    (type $tls' (record (field "protocol" string) (field "subject" string) (field "issuer" string)
      (field "not-before" s64) (field "not-after" s64) (field "chain-not-after" s64)))
    (export "tls-info" (type $tls (eq $tls')))
    (type $response' (record (field "status" u16) (field "headers" (list $header))
      (field "body" (list u8)) (field "url" string) (field "redirected" bool)
      (field "http-version" string) (field "remote-address" (option string))
      (field "timings" $timings) (field "tls" (option $tls))))
    (export "response" (type $response (eq $response')))
    (type $error' (variant (case "denied" string) (case "invalid-request" string) (case "dns" string)
      (case "connection-refused") (case "connection-reset") (case "connect" string) (case "tls" string)
      (case "timeout") (case "too-many-redirects") (case "body-too-large" u64) (case "limit" string)
      (case "protocol" string)))
    (export "fetch-error" (type $error (eq $error')))
    (export "pending-response" (type $pending (sub resource)))
    (export "[method]pending-response.take" (func (param "self" (borrow $pending))
      (result (result $response (error $error)))))
    (export "send" (func (param "request" $request) (result (result $response (error $error)))))
    (export "start" (func (param "request" $request) (result (result (own $pending) (error $error)))))
    (export "wait-any" (func (param "pending" (list (borrow $pending)))
      (param "timeout-ms" (option u32)) (result (list u32))))))"#;

/// The core type of `send` and `start`: method, URL, headers, body, redirects, time limit, and where
/// the answer goes.
pub(crate) const SENDS: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";

/// `vedette:monitor/env`
pub(crate) const ENV: &str = r#"
  (import "vedette:monitor/env@0.1.0" (instance $env
    (export "get" (func (param "name" string) (result (option string))))
    (export "names" (func (result (list string))))))"#;

/// `vedette:monitor/params`
pub(crate) const PARAMS: &str = r#"
  (import "vedette:monitor/params@0.1.0" (instance $params
    (export "get" (func (result string)))))"#;

/// `vedette:monitor/console`
pub(crate) const CONSOLE: &str = r#"
  (import "vedette:monitor/console@0.1.0" (instance $console
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "message" string)))))"#;

/// `wasi:random`
pub(crate) const RANDOM: &str = r#"
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-random-u64" (func (result u64)))))
  (import "wasi:random/insecure@0.2.0" (instance $insecure
    (export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-insecure-random-u64" (func (result u64)))))"#;

/// `wasi:io/poll` and both clocks.
pub(crate) const CLOCKS: &str = r#"
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))
    (export "[method]pollable.ready" (func (param "self" (borrow $p)) (result bool)))
    (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $monotonic
    (alias outer 1 $pollable (type $q))
    (export "pollable" (type $p (eq $q)))
    (export "now" (func (result u64)))
    (export "resolution" (func (result u64)))
    (export "subscribe-instant" (func (param "when" u64) (result (own $p))))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $wall
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (export "now" (func (result $datetime)))))"#;

/// `wasi:io/streams` with standard input, output and error.
pub(crate) const STDIO: &str = r#"
  (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error (type $e'))
    (export "error" (type $e (eq $e')))
    (export "input-stream" (type $in (sub resource)))
    (export "output-stream" (type $out (sub resource)))
    (type $stream-error' (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "[method]input-stream.blocking-read" (func (param "self" (borrow $in)) (param "len" u64)
      (result (result (list u8) (error $stream-error)))))
    (export "[method]output-stream.check-write" (func (param "self" (borrow $out))
      (result (result u64 (error $stream-error)))))
    (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $out))
      (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "input-stream" (type $input))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer 1 $input (type $s))
    (export "input-stream" (type $t (eq $s)))
    (export "get-stdin" (func (result (own $t))))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $s))
    (export "output-stream" (type $t (eq $s)))
    (export "get-stdout" (func (result (own $t))))))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer 1 $output (type $s))
    (export "output-stream" (type $t (eq $s)))
    (export "get-stderr" (func (result (own $t))))))"#;
