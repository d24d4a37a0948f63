//! `cairn exec`.

use crate::run::{Server, cairn, code, ok, run, stderr, stdout};
use std::io::Write;
use std::process::{Output, Stdio};

fn exec(server: &Server, lines: &[&str]) -> Output {
    let addr = server.addr.to_string();
    run(&[&["exec", "--addr", &addr], lines].concat())
}

fn exec_stdin(server: &Server, input: &[u8], args: &[&str]) -> Output {
    let addr = server.addr.to_string();
    let mut child = cairn(&[&["exec", "--addr", &addr], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn replies_are_printed_in_order_as_they_came() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let output =
        exec(&server, &["VECSET a 1 0", "VECSET b 0.6 0.8", "SIM a 10 using=vectors", "EVENT c ADD a 100"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    assert_eq!(said, "OK VECSET\nOK VECSET\nOK RESULTS 1\nb 0.6000\nOK EVENT\n");
}

#[test]
fn a_reply_of_several_lines_keeps_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let said = ok(&["exec", "--addr", &server.addr.to_string(), "CHECK"]);
    assert!(said.starts_with("OK CHECK\ntimeline: "), "{said}");
    assert!(said.ends_with("END\n"), "{said}");
}

#[test]
fn an_error_reply_exits_with_1_and_the_rest_is_still_done() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let output = exec(&server, &["NONSENSE", "VECSET a 1 0"]);
    assert_eq!(code(&output), 1);
    let said = stdout(&output);
    assert!(said.starts_with("(error) "), "{said}");
    assert!(said.ends_with("\nOK VECSET\n"), "{said}");
    assert_eq!(stderr(&output), "", "the reply says it all");
}

#[test]
fn lines_come_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    for args in [&[][..], &["-"][..]] {
        let output = exec_stdin(&server, b"VECSET a 1 0\r\n\nVECSET b 0 1\nINFO", args);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let said = stdout(&output);
        assert!(said.starts_with("OK VECSET\nOK VECSET\nOK INFO\n"), "{said}");
        assert!(said.contains("vector_count: 2\n"), "{said}");
    }
}

#[test]
fn ten_thousand_lines_are_pipelined() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let input: String = (0..10_000).map(|n| format!("EVENT c{} ADD i{n} 50\n", n % 7)).collect();
    let output = exec_stdin(&server, input.as_bytes(), &[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(output.stdout, "OK EVENT\n".repeat(10_000).into_bytes());
}

#[test]
fn replies_as_json_are_one_object_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let addr = server.addr.to_string();
    let said = ok(&["exec", "--format", "json", "--addr", &addr, "VECSET a 1 0", "CHECK"]);
    let replies: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[0]["reply"], "OK VECSET");
    assert!(replies[1]["lines"].as_array().unwrap().iter().any(|line| line == "lsn: 1"), "{said}");
}

#[test]
fn without_a_server_it_fails_and_says_how_to_start_one() {
    // A port that was free a moment ago.
    let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["exec", "--addr", &addr, "INFO"]);
    assert_eq!(code(&output), 1);
    assert!(
        stderr(&output).contains(&addr) && stderr(&output).contains("cairn serve"),
        "{}",
        stderr(&output)
    );
}
