//! The lane: connections that ask for much at once are served elsewhere, and notice nothing of it.

use crate::running::{Running, config, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Requests that wait at once, enough to be served on the lane.
const MANY: usize = 2_000;

/// Replies that nobody reads: what the server's side and the reader's side of a connection hold, with room to spare.
const HELD_BYTES_MAX: u64 = 2 << 20;

/// Sends lines at once and gives back what is answered until the reply to a last, unknown one.
async fn answered(stream: &mut BufReader<TcpStream>, lines: &str) -> String {
    stream.get_mut().write_all(format!("{lines}LAST\r\n").as_bytes()).await.unwrap();
    let (last, mut text) = (b"Unknown command: LAST\r\n", Vec::new());
    while !text.ends_with(last) {
        assert!(stream.read_buf(&mut text).await.unwrap() > 0, "{}", String::from_utf8_lossy(&text));
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_connection_keeps_its_collection_and_its_order_there_and_back() {
    run(async {
        let server = Running::start().await;
        let mut stream = BufReader::new(TcpStream::connect(server.addr).await.unwrap());
        answered(&mut stream, "COLLECTION CREATE c dimension=2\r\nUSE c\r\nDEBUG ON\r\n").await;
        for round in 0..3 {
            // Far more than one turn, writes and questions among each other.
            let many: String = (0..MANY)
                .map(|n| format!("VECSET v{n} {n} 1\r\nSIM v{n} 1 using=events\r\nX{n}\r\n"))
                .collect();
            let text = answered(&mut stream, &many).await;
            let lines: Vec<&str> = text.lines().collect();
            let unknown = lines.iter().filter_map(|line| line.strip_prefix("(error) Unknown command: X"));
            let order: Vec<usize> = unknown.map(|n| n.parse().unwrap()).collect();
            assert_eq!(order, (0..MANY).collect::<Vec<_>>());
            assert_eq!(lines.iter().filter(|line| **line == "OK VECSET").count(), MANY);
            // Single ones, for so long that it is served among them again.
            for n in 0..40 {
                let text = answered(&mut stream, &format!("SIMV 1 {round} {n}\r\n")).await;
                assert!(text.starts_with("OK RESULTS 1\r\nv") && text.contains("# DEBUG 4\r\n"), "{text}");
            }
        }
        let stats = answered(&mut stream, "COLLECTION STATS c\r\n").await;
        assert!(stats.contains(&format!("vectors: {MANY}\r\n")), "{stats}");
        server.stop().await;
    });
}

#[test]
fn who_never_reads_is_done_no_more_for_than_fits_into_small_buffers() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        let flooder = TcpStream::connect(server.addr).await.unwrap();
        let asks = "INFO\r\n".repeat(4096);
        let (mut sent, mut before, mut done) = (0, 0, 0);
        // Until nothing more is taken from it, and nothing more is done.
        loop {
            while let Ok(n) = flooder.try_write(asks.as_bytes()) {
                sent += n;
            }
            let info = client.info().await.unwrap();
            let total = info.number("total_commands_processed").unwrap();
            // Each look is a request itself.
            if total == before + 1 && sent > 0 && total > done {
                break;
            }
            (done, before) = (total - 1, total);
            tokio::task::yield_now().await;
        }
        let mut alone = BufReader::new(TcpStream::connect(server.addr).await.unwrap());
        let held = done * answered(&mut alone, "INFO\r\n").await.len() as u64;
        println!("{held} bytes of replies to one who never reads, after {sent} bytes of requests");
        assert!(held < HELD_BYTES_MAX, "{held} bytes of replies");
        drop((flooder, alone, client));
        server.stop().await;
    });
}

#[test]
fn a_stop_answers_what_was_read_of_a_flood_and_ends() {
    run(async {
        let server = Running::start_with(config()).await;
        let stream = TcpStream::connect(server.addr).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let flood = tokio::spawn(async move { while write.write_all(b"INFO\r\nFOO\r\n").await.is_ok() {} });
        let mut first = vec![0; 1 << 20];
        read.read_exact(&mut first).await.unwrap();
        let rest = async {
            let mut rest = Vec::new();
            // The end may be a reset: what it sent lately was not read.
            let _ = read.read_to_end(&mut rest).await;
        };
        let (_, ()) = tokio::join!(server.stop(), rest);
        flood.await.unwrap();
    });
}
