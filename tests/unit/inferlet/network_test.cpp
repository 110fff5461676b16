// A guest has no network. WASI's network interfaces link, since guests of many toolchains import them without a use;
// what they are asked for is refused, by the error that WASI has for it. Other network interfaces are refused by name.
#include <gtest/gtest.h>

#include "harness.h"

namespace hearth::inferlet {
namespace {

constexpr std::string_view kAccessDenied = "1";               // wasi:sockets
constexpr std::string_view kPermanentResolverFailure = "20";  // wasi:sockets
constexpr std::string_view kRequestDenied = "15";             // wasi:http

constexpr std::string_view kNetworkTypes = R"(
(import "wasi:sockets/network@0.2.0" (instance $network
  (export "network" (type (sub resource)))
  (type $error (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
    "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable"
    "address-in-use" "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted"
    "datagram-too-large" "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
  (export "error-code" (type (eq $error)))
  (type $family (enum "ipv4" "ipv6"))
  (export "ip-address-family" (type (eq $family)))))
(alias export $network "network" (type $network-type))
(alias export $network "error-code" (type $error))
(alias export $network "ip-address-family" (type $family))
)";

// The guest's answer: the digits of the number at `address`, at most 99.
std::string digits(const std::string& address) {
  return "(i32.store8 (i32.const 256) (i32.add (i32.const 48) (i32.div_u (i32.load8_u " + address +
         ") (i32.const 10))))"
         "(i32.store8 (i32.const 257) (i32.add (i32.const 48) (i32.rem_u (i32.load8_u " +
         address +
         ") (i32.const 10))))"
         "(if (result i32) (i32.lt_u (i32.load8_u " +
         address + ") (i32.const 10)) (then " + answer("(i32.const 0)", "(i32.const 257)", "(i32.const 1)") +
         ") (else " + answer("(i32.const 0)", "(i32.const 256)", "(i32.const 2)") + "))";
}

// Makes a socket: the error's number, or a trap when there is none.
Wat makes_socket(const std::string& kind) {
  Wat wat;
  wat.imports =
      std::string(kNetworkTypes) + "(import \"wasi:sockets/" + kind + "@0.2.0\" (instance $" + kind + "\n  (export \"" +
      kind +
      "-socket\" (type $socket (sub resource)))"
      "\n  (alias outer 1 $error (type $error-type)) (export \"error-code\" (type (eq $error-type)))))\n"
      "(alias export $" +
      kind + " \"" + kind +
      "-socket\" (type $socket))\n"
      "(import \"wasi:sockets/" +
      kind +
      "-create-socket@0.2.0\" (instance $create"
      "\n  (alias outer 1 $socket (type $socket-type)) (export \"" +
      kind +
      "-socket\" (type $made (eq $socket-type)))"
      "\n  (alias outer 1 $error (type $error-type)) (export \"error-code\" (type $error (eq $error-type)))"
      "\n  (alias outer 1 $family (type $family-type)) (export \"ip-address-family\" (type $family (eq $family-type)))"
      "\n  (export \"create-" +
      kind +
      "-socket\" (func (param \"address-family\" $family)"
      " (result (result (own $made) (error $error)))))))";
  wat.lowered = "(core func $f (canon lower (func $create \"create-" + kind + "-socket\") (memory $mem)))";
  wat.core_imports = "(with \"host\" (instance (export \"f\" (func $f))))";
  wat.module_imports = "(import \"host\" \"f\" (func $f (param i32 i32)))";
  // result<own, enum>: the tag at 16, the payload at 20.
  wat.body = "(call $f (i32.const 0) (i32.const 16)) (if (i32.eqz (i32.load8_u (i32.const 16))) (then unreachable)) " +
             digits("(i32.const 20)");
  return wat;
}

TEST(Network, NoTcpSocket) {
  Harness harness;
  auto result = harness.run(makes_socket("tcp"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, kAccessDenied);
}

TEST(Network, NoUdpSocket) {
  Harness harness;
  auto result = harness.run(makes_socket("udp"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, kAccessDenied);
}

TEST(Network, NoNameIsLookedUp) {
  Wat wat;
  wat.imports = std::string(kNetworkTypes) + R"(
(import "wasi:sockets/instance-network@0.2.0" (instance $instance
  (alias outer 1 $network-type (type $t)) (export "network" (type $n (eq $t)))
  (export "instance-network" (func (result (own $n))))))
(import "wasi:sockets/ip-name-lookup@0.2.0" (instance $lookup
  (export "resolve-address-stream" (type $stream (sub resource)))
  (alias outer 1 $network-type (type $t)) (export "network" (type $n (eq $t)))
  (alias outer 1 $error (type $error-type)) (export "error-code" (type $error (eq $error-type)))
  (export "resolve-addresses" (func (param "network" (borrow $n)) (param "name" string)
    (result (result (own $stream) (error $error)))))))
)";
  wat.lowered =
      "(core func $f (canon lower (func $lookup \"resolve-addresses\") (memory $mem)))"
      "(core func $g (canon lower (func $instance \"instance-network\")))";
  wat.core_imports = "(with \"host\" (instance (export \"f\" (func $f)) (export \"g\" (func $g))))";
  wat.module_imports =
      "(import \"host\" \"f\" (func $f (param i32 i32 i32 i32))) (import \"host\" \"g\" (func $g (result i32)))";
  wat.body =
      "(call $f (call $g) (local.get $p) (local.get $n) (i32.const 16)) "
      "(if (i32.eqz (i32.load8_u (i32.const 16))) (then unreachable)) " +
      digits("(i32.const 20)");
  Harness harness;
  auto result = harness.run(wat, "localhost");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, kPermanentResolverFailure);
}

TEST(Network, NoHttpRequestLeaves) {
  Wat wat;
  wat.imports = R"(
(import "wasi:io/poll@0.2.0" (instance $poll
  (export "pollable" (type $p (sub resource)))
  (export "[method]pollable.block" (func (param "self" (borrow $p))))))
(alias export $poll "pollable" (type $pollable))
(import "wasi:http/types@0.2.0" (instance $types
  (alias outer 1 $pollable (type $p)) (export "pollable" (type $waits (eq $p)))
  (type $dns (record (field "rcode" (option string)) (field "info-code" (option u16))))
  (export "DNS-error-payload" (type $dns-error (eq $dns)))
  (type $tls (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
  (export "TLS-alert-received-payload" (type $tls-alert (eq $tls)))
  (type $field (record (field "field-name" (option string)) (field "field-size" (option u32))))
  (export "field-size-payload" (type $size (eq $field)))
  (type $code (variant (case "DNS-timeout") (case "DNS-error" $dns-error) (case "destination-not-found")
    (case "destination-unavailable") (case "destination-IP-prohibited") (case "destination-IP-unroutable")
    (case "connection-refused") (case "connection-terminated") (case "connection-timeout")
    (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached")
    (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" $tls-alert)
    (case "HTTP-request-denied") (case "HTTP-request-length-required") (case "HTTP-request-body-size" (option u64))
    (case "HTTP-request-method-invalid") (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
    (case "HTTP-request-header-section-size" (option u32)) (case "HTTP-request-header-size" (option $size))
    (case "HTTP-request-trailer-section-size" (option u32)) (case "HTTP-request-trailer-size" $size)
    (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
    (case "HTTP-response-header-size" $size) (case "HTTP-response-body-size" (option u64))
    (case "HTTP-response-trailer-section-size" (option u32)) (case "HTTP-response-trailer-size" $size)
    (case "HTTP-response-transfer-coding" (option string)) (case "HTTP-response-content-coding" (option string))
    (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error") (case "loop-detected")
    (case "configuration-error") (case "internal-error" (option string))))
  (export "error-code" (type $error (eq $code)))
  (export "fields" (type $fields (sub resource)))
  (export "outgoing-request" (type $request (sub resource)))
  (export "request-options" (type (sub resource)))
  (export "incoming-response" (type $response (sub resource)))
  (export "future-incoming-response" (type $future (sub resource)))
  (export "[constructor]fields" (func (result (own $fields))))
  (export "[constructor]outgoing-request" (func (param "headers" (own $fields)) (result (own $request))))
  (export "[method]outgoing-request.set-authority" (func (param "self" (borrow $request))
    (param "authority" (option string)) (result (result))))
  (export "[method]outgoing-request.set-path-with-query" (func (param "self" (borrow $request))
    (param "path-with-query" (option string)) (result (result))))
  (export "[method]future-incoming-response.subscribe" (func (param "self" (borrow $future)) (result (own $waits))))
  (export "[method]future-incoming-response.get" (func (param "self" (borrow $future))
    (result (option (result (result (own $response) (error $error)))))))))
(alias export $types "outgoing-request" (type $request))
(alias export $types "request-options" (type $options))
(alias export $types "future-incoming-response" (type $future))
(alias export $types "error-code" (type $error))
(import "wasi:http/outgoing-handler@0.2.0" (instance $handler
  (alias outer 1 $request (type $a)) (export "outgoing-request" (type $request (eq $a)))
  (alias outer 1 $options (type $b)) (export "request-options" (type $options (eq $b)))
  (alias outer 1 $future (type $c)) (export "future-incoming-response" (type $future (eq $c)))
  (alias outer 1 $error (type $d)) (export "error-code" (type $error (eq $d)))
  (export "handle" (func (param "request" (own $request)) (param "options" (option (own $options)))
    (result (result (own $future) (error $error)))))))
)";
  wat.lowered = R"(
(core func $fields (canon lower (func $types "[constructor]fields")))
(core func $request (canon lower (func $types "[constructor]outgoing-request")))
(core func $authority (canon lower (func $types "[method]outgoing-request.set-authority") (memory $mem)))
(core func $path (canon lower (func $types "[method]outgoing-request.set-path-with-query") (memory $mem)))
(core func $handle (canon lower (func $handler "handle") (memory $mem) (realloc $realloc)))
(core func $subscribe (canon lower (func $types "[method]future-incoming-response.subscribe")))
(core func $block (canon lower (func $poll "[method]pollable.block")))
(core func $get (canon lower (func $types "[method]future-incoming-response.get") (memory $mem) (realloc $realloc)))
)";
  wat.core_imports =
      "(with \"host\" (instance (export \"fields\" (func $fields)) (export \"request\" (func $request)) "
      "(export \"authority\" (func $authority)) (export \"path\" (func $path)) (export \"handle\" (func $handle)) "
      "(export \"subscribe\" (func $subscribe)) (export \"block\" (func $block)) (export \"get\" (func $get))))";
  wat.module_imports = R"(
(import "host" "fields" (func $fields (result i32)))
(import "host" "request" (func $request (param i32) (result i32)))
(import "host" "authority" (func $authority (param i32 i32 i32 i32) (result i32)))
(import "host" "path" (func $path (param i32 i32 i32 i32) (result i32)))
(import "host" "handle" (func $handle (param i32 i32 i32 i32)))
(import "host" "subscribe" (func $subscribe (param i32) (result i32)))
(import "host" "block" (func $block (param i32)))
(import "host" "get" (func $get (param i32 i32)))
)";
  // The handler's result has its tag at 96 and the future at 104; `get` writes from 128 on: some, ok, error, the code.
  wat.body = R"((local $r i32)
(local.set $r (call $request (call $fields)))
(if (call $authority (local.get $r) (i32.const 1) (local.get $p) (local.get $n)) (then unreachable))
(i32.store8 (i32.const 80) (i32.const 47))
(if (call $path (local.get $r) (i32.const 1) (i32.const 80) (i32.const 1)) (then unreachable))
(call $handle (local.get $r) (i32.const 0) (i32.const 0) (i32.const 96))
(if (i32.load8_u (i32.const 96)) (then unreachable))
(call $block (call $subscribe (i32.load (i32.const 104))))
(call $get (i32.load (i32.const 104)) (i32.const 128))
(if (i32.eqz (i32.load8_u (i32.const 128))) (then unreachable))
(if (i32.load8_u (i32.const 136)) (then unreachable))
(if (i32.eqz (i32.load8_u (i32.const 144))) (then unreachable))
)" + digits("(i32.const 152)");
  Harness harness;
  auto result = harness.run(wat, "127.0.0.1:80");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, kRequestDenied);
}

TEST(Network, InterfacesThatAreNotWasi02AreRefusedByName) {
  for (const char* name : {"wasi:sockets/tcp@0.3.0", "wasi:http/handler@0.3.0", "wasi:tls/types@0.2.0",
                           "wasi:http/incoming-handler@0.2.0", "fermyon:spin/outbound-http@2.0.0"}) {
    Wat wat = echo();
    wat.imports = "(import \"" + std::string(name) + "\" (instance (export \"go\" (func))))";
    Harness harness;
    auto program = harness.load(wat);
    ASSERT_FALSE(program) << name;
    EXPECT_EQ(program.error().kind, ErrorKind::Unsupported) << name;
    EXPECT_NE(program.error().message.find(name), std::string::npos) << program.error().message;
  }
}

}  // namespace
}  // namespace hearth::inferlet
