//! Settings, the cache, and debug lines.

use crate::fake::{run, scripted};
use cairn_client::{Client, ErrorKind, Sim, Variable};

#[test]
fn typed_commands_send_their_lines() {
    run(async {
        let block: &[u8] = b"+OK\r\nevents.ctx_buffer_size: 50\r\nEND\r\n";
        let ok: &[u8] = b"+OK\r\n";
        let replies = vec![
            ok,
            ok,
            block,
            block,
            block,
            block,
            ok,
            b"OK CACHE_CLEARED\r\n",
            b"OK CACHE_ENABLED\r\n",
            b"OK CACHE_DISABLED\r\n",
        ];
        let (addr, server) = scripted(replies).await;
        let mut client = Client::connect(addr).await.unwrap();
        client.auth("pass word").await.unwrap();
        client.debug(false).await.unwrap();
        client.config_help(None).await.unwrap();
        let shown = client.config_show(Some("events")).await.unwrap();
        assert_eq!(shown.number("events.ctx_buffer_size"), Some(50));
        client.config_verify(None).await.unwrap();
        client.config_verify(Some("/etc/a b.yaml")).await.unwrap();
        client.set_variable("logging.level", "debug").await.unwrap();
        client.cache_clear().await.unwrap();
        client.cache_enable(true).await.unwrap();
        client.cache_enable(false).await.unwrap();
        let expected = [
            "AUTH pass word",
            "DEBUG OFF",
            "CONFIG HELP",
            "CONFIG SHOW events",
            "CONFIG VERIFY",
            "CONFIG VERIFY /etc/a b.yaml",
            "SET logging.level debug",
            "CACHE CLEAR",
            "CACHE ENABLE",
            "CACHE DISABLE",
        ];
        assert_eq!(server.await.unwrap(), expected);
    });
}

#[test]
fn variables_are_read_with_what_may_be_done_to_them() {
    run(async {
        let (addr, server) = scripted(vec![
            b"$4\r\ninfo\r\n",
            b"*2\r\n$28\r\nlogging.level=info (mutable)\r\n$26\r\ndata.dir=/a=b (immutable)\r\n\r\n",
            b"*1\r\n$3\r\na=b\r\n",
            b"(error) Unknown variable: foo.bar\r\n",
        ])
        .await;
        let mut client = Client::connect(addr).await.unwrap();
        assert_eq!(client.get_variable("logging.level").await.unwrap().as_deref(), Some("info"));
        // The second value's length counts a byte too many.
        let error = client.show_variables(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        drop(client);
        server.abort();
    });
    run(async {
        let (addr, server) = scripted(vec![
            b"*2\r\n$28\r\nlogging.level=info (mutable)\r\n$25\r\ndata.dir=/a=b (immutable)\r\n",
            b"*1\r\n$3\r\na=b\r\n",
            b"(error) Unknown variable: foo.bar\r\n",
        ])
        .await;
        let mut client = Client::connect(addr).await.unwrap();
        let variable =
            |name: &str, value: &str, mutable| Variable { name: name.into(), value: value.into(), mutable };
        assert_eq!(
            client.show_variables(Some("l%")).await.unwrap(),
            [variable("logging.level", "info", true), variable("data.dir", "/a=b", false)]
        );
        assert_eq!(client.show_variables(None).await.unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(client.get_variable("foo.bar").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(server.await.unwrap()[0], "SHOW VARIABLES LIKE l%");
    });
}

#[test]
fn the_cache_tells_its_figures() {
    run(async {
        let (addr, _server) = scripted(vec![
            b"OK CACHE_STATS\r\ncache_enabled: true\r\ncache_entries: 3\r\ncache_memory_bytes: 100\r\ntotal_queries: 9\r\ncache_hits: 4\r\ncache_misses: 5\r\ncache_hit_rate: 0.4444\r\nevictions: 1\r\nEND\r\n",
            b"OK CACHE_STATS\r\ncache_enabled: true\r\nEND\r\n",
        ])
        .await;
        let mut client = Client::connect(addr).await.unwrap();
        let stats = client.cache_stats().await.unwrap();
        assert!(stats.enabled);
        let figures =
            [stats.entries, stats.memory_bytes, stats.queries, stats.hits, stats.misses, stats.evictions];
        assert_eq!(figures, [3, 100, 9, 4, 5, 1]);
        assert_eq!(stats.block.get("cache_hit_rate"), Some("0.4444"));
        assert_eq!(client.cache_stats().await.unwrap_err().kind(), ErrorKind::Protocol);
    });
}

#[test]
fn debug_lines_are_read_and_their_absence_is_no_error() {
    run(async {
        let (addr, server) = scripted(vec![
            b"OK DEBUG_ON\r\n",
            b"OK RESULTS 1\r\nb 0.5000\r\n# DEBUG 4\r\nmode: vectors\r\nquery_time_us: 120\r\ncandidates: 30\r\nresults: 1\r\n",
            b"(error) Query vector not found: x\r\n",
            b"OK DEBUG_OFF\r\n",
            b"OK RESULTS 0\r\n",
        ])
        .await;
        let mut client = Client::connect(addr).await.unwrap();
        client.debug(true).await.unwrap();
        let (hits, told) = client.simv_debug(&[1.0], 1, &Sim::default()).await.unwrap();
        let told = told.unwrap();
        assert_eq!((hits.len(), told.mode.as_str(), told.query_time_us), (1, "vectors", 120));
        assert_eq!((told.candidates, told.results), (30, 1));
        assert_eq!(client.sim_debug("x", 1, &Sim::default()).await.unwrap_err().kind(), ErrorKind::NotFound);
        client.debug(false).await.unwrap();
        assert_eq!(client.sim_debug("a", 1, &Sim::default()).await.unwrap().1, None);
        server.await.unwrap();
    });
}
