//! COLLECTION, USE, VECDEL and STORAGE: what a real engine answers, and what is refused.

use crate::past::Past;
use crate::running::{Running, config, run};
use cairn_disk::{Fate, SimDisk};
use cairn_server::{Config, Dialect};

fn dialects() -> [Dialect; 2] {
    [Dialect::Documented, Dialect::Nvecd]
}

#[test]
fn requests_mean_the_collection_that_the_connection_uses() {
    for dialect in dialects() {
        let mut past = Past::with(config(), dialect);
        assert!(
            past.raw("COLLECTION CREATE books dimension=2").starts_with("OK COLLECTION_CREATED books\r\n")
        );
        assert_eq!(past.raw("USE books"), "OK USE books\r\n");
        assert_eq!(past.raw("VECSET a 1 0"), "OK VECSET\r\n");
        assert_eq!(past.raw("METASET a kind:x"), "OK METASET\r\n");
        assert_eq!(past.raw("EVENT c ADD a 10"), "OK EVENT\r\n");
        assert_eq!(past.raw("SIMV 5 1 0"), "OK RESULTS 1\r\na 1.0000\r\n");
        assert_eq!(past.raw("USE default"), "OK USE default\r\n");
        assert_eq!(past.raw("SIMV 5 1 0"), "OK RESULTS 0\r\n");
        assert_eq!(past.block("COLLECTION STATS books")["events"], "1");
        assert_eq!(past.block("INFO")["collections"], "2");
    }
}

#[test]
fn use_within_a_pipeline_acts_between_the_lines_around_it() {
    let mut past = Past::new();
    past.raw("COLLECTION CREATE books");
    let reply = past.raw("VECSET a 1 0\r\nUSE books\r\nVECSET b 1 0\r\nSIMV 9 1 0\r\nUSE nope\r\nSIMV 9 1 0\r\nUSE default\r\nSIMV 9 1 0");
    let expected = "OK VECSET\r\nOK USE books\r\nOK VECSET\r\nOK RESULTS 1\r\nb 1.0000\r\n\
                    (error) Collection not found: nope (there are: books, default)\r\n\
                    OK RESULTS 1\r\nb 1.0000\r\nOK USE default\r\nOK RESULTS 1\r\na 1.0000\r\n";
    assert_eq!(reply, expected);
}

#[test]
fn a_collection_dropped_under_a_connection_is_a_clear_error_and_the_connection_goes_on() {
    let mut past = Past::new();
    past.raw("COLLECTION CREATE books");
    past.raw("USE books");
    assert_eq!(past.block("COLLECTION DROP books dry_run=on")[""], "OK COLLECTION_WOULD_DROP books");
    assert_eq!(past.block("COLLECTION DROP books")[""], "OK COLLECTION_DROPPED books");
    for line in ["VECSET a 1 0", "SIMV 5 1 0", "SIM a 5", "EVENT c ADD a 1", "VECDEL a"] {
        assert_eq!(past.refused(line), "Collection not found: books (there are: default)", "{line}");
    }
    assert_eq!(past.raw("USE default"), "OK USE default\r\n");
    assert_eq!(past.raw("VECSET a 1 0"), "OK VECSET\r\n");
}

#[test]
fn other_systems_indexes_are_taken_and_it_is_said_what_they_are_here() {
    let mut past = Past::new();
    let line = "COLLECTION CREATE v index=hnsw m=24 ef_construction=300 ef_search=80 storage=hybrid hot=10GB";
    let reply = past.raw(line);
    assert!(reply.contains("note: index hnsw is served by the graph\r\n"), "{reply}");
    let stats = past.block("COLLECTION STATS v");
    let shown = ["index", "m", "ef_construction", "ef_search", "storage", "hot_tier_size"]
        .map(|key| stats[key].as_str());
    assert_eq!(shown, ["graph", "24", "300", "80", "hybrid", "10GB"]);
    assert!(
        past.raw("COLLECTION CREATE w index=ivf nlist=100").contains("note: nlist is of an inverted file")
    );
    assert_eq!(past.block("COLLECTION CREATE x")["index"], "graph");
    assert_eq!(past.block("COLLECTION CREATE y index=flat elements=i8")["elements"], "i8");
}

#[test]
fn lines_that_cannot_be_are_refused_and_name_what_is_wrong() {
    let mut past = Past::new();
    past.raw("COLLECTION CREATE books");
    let refusals = [
        (
            "COLLECTION",
            "COLLECTION requires subcommand: CREATE|LIST|STATS|DROP|RENAME|ALIAS|UNALIAS|CONFIGURE",
        ),
        ("COLLECTION FOO", "Unknown COLLECTION subcommand: FOO"),
        ("COLLECTION CREATE", "COLLECTION CREATE requires at least 1 argument: <name>"),
        ("COLLECTION CREATE books", "Collection exists: books"),
        (
            "COLLECTION CREATE a/b",
            "Collection name: expected 1 to 128 of A-Z a-z 0-9 . _ -, the first no . or -, got \"a/b\"",
        ),
        ("COLLECTION CREATE v metric=foo", "Invalid metric value: foo (must be cosine, dot or l2)"),
        ("COLLECTION CREATE v m=1", "m: expected 2 to 128, got 1"),
        (
            "COLLECTION CREATE v storage=hybrid",
            "hot_tier_size: a hybrid collection needs one, for example 1GB",
        ),
        ("COLLECTION CREATE v foo=1", "Invalid COLLECTION CREATE option: foo=1"),
        ("COLLECTION CREATE v dimension=99999999", "default_dimension: expected at most 65536, got 99999999"),
        (
            "COLLECTION CONFIGURE books dimension=3",
            "dimension is fixed when a collection is created: make a new one and an alias for it",
        ),
        ("COLLECTION DROP default", "the collection default is always there and cannot be dropped"),
        ("COLLECTION RENAME books", "COLLECTION RENAME requires 2 arguments: <name> <new name>"),
        ("COLLECTION UNALIAS x", "Alias not found: x"),
        ("USE", "USE requires 1 argument: <collection>"),
        ("VECDEL", "VECDEL requires 1 argument: <id>"),
        ("VECDEL nope", "Vector not found: nope"),
        ("STORAGE", "STORAGE requires subcommand: STATS|MMAP|COMPACT"),
        ("STORAGE COMPACT threshold=0", "Invalid threshold value: 0 (must be more than 0% and at most 100%)"),
        ("STORAGE COMPACT nope", "Collection not found: nope (there are: books, default)"),
        ("STORAGE MMAP advise=foo", "Invalid advise value: foo (must be normal, random or sequential)"),
        ("SIMV 5 ef=0 1 0", "ef: expected 1 to 100000, got 0"),
        ("SIMV 5 offset=x 1 0", "Invalid offset value: x (must be a whole number)"),
        ("SIM a 5 exact=maybe", "Invalid exact value: maybe (must be on or off)"),
    ];
    for (line, message) in refusals {
        assert_eq!(past.refused(line), message, "{line}");
    }
}

#[test]
fn pages_of_results_follow_each_other_without_a_gap() {
    let mut past = Past::new();
    past.write("v", 30);
    let ids = |reply: String| reply.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let all = ids(past.raw("SIMV 30 1 1"));
    let pages: Vec<String> = [0, 10, 20]
        .into_iter()
        .flat_map(|n| ids(past.raw(&format!("SIMV 10 offset={n} exact=on 1 1"))))
        .collect();
    assert_eq!(pages, all);
}

#[test]
fn collections_and_aliases_are_there_after_a_crash() {
    let mut past = Past::new();
    past.raw("COLLECTION CREATE books max_vectors=1");
    past.raw("COLLECTION ALIAS shelf books");
    past.raw("USE shelf");
    past.raw("VECSET a 1 0");
    let hash = past.hash();
    let mut again = Past::on(past.disk.image(Fate::Dropped), config(), Dialect::Documented);
    assert_eq!(again.hash(), hash);
    again.raw("USE shelf");
    assert_eq!(again.raw("SIMV 5 1 0"), "OK RESULTS 1\r\na 1.0000\r\n");
    assert_eq!(again.refused("VECSET b 0 1"), "Quota exceeded: max_vectors is 1, and so many are there");
}

#[test]
fn compaction_takes_the_space_of_deleted_vectors_back_and_says_how_much() {
    let mut past = Past::on(SimDisk::new(1), config(), Dialect::Documented);
    past.raw("COLLECTION CREATE v storage=mmap dimension=1024");
    past.raw("USE v");
    let row = |n: usize| (0..1_024).map(|i| format!(" {}", (i * 31 + n) % 17)).collect::<String>();
    (0..1_200).for_each(|n| assert_eq!(past.raw(&format!("VECSET i{n}{}", row(n))), "OK VECSET\r\n"));
    (0..400).for_each(|n| assert_eq!(past.raw(&format!("VECDEL i{n}")), "OK VECDEL\r\n"));
    let done = past.block("STORAGE COMPACT v aggressive=on");
    assert_eq!((done["collections_compacted"].as_str(), done["status"].as_str()), ("v", "completed"));
    let number = |key: &str| done[key].parse::<u64>().unwrap();
    assert!(
        number("freed_bytes") > 0
            && number("before_size_bytes") - number("freed_bytes") == number("after_size_bytes")
    );
    assert_eq!(past.block("COLLECTION STATS v")["dead_rows"], "0");
    let mapped = past.block("STORAGE MMAP collection=v");
    assert_eq!((mapped["mmap_enabled"].as_str(), mapped["advise_mode"].as_str()), ("true", "random"));
    let off = past.block("STORAGE MMAP enable=off collection=v");
    assert_eq!((off["mmap_enabled"].as_str(), off["total_mapped_bytes"].as_str()), ("false", "0"));
    let on = past.block("STORAGE MMAP enable=on advise=sequential populate=on");
    let shown = ["mmap_enabled", "advise_mode", "populate"].map(|key| on[key].as_str());
    assert_eq!(shown, ["true", "sequential", "true"]);
}

#[test]
fn the_file_says_how_default_is_searched_and_leaves_what_it_does_not_name() {
    run(async {
        let file = |text: &str| Config { data_dir: config().data_dir, ..Config::parse(text, "c").unwrap().0 };
        let with = |text: &str| {
            let mut with = file(text);
            (with.tcp.port, with.snapshot.dir) = (0, config().snapshot.dir);
            with
        };
        let disk = SimDisk::new(1);
        let mut shown = Vec::new();
        for text in [
            "similarity: {index_type: ivf, hnsw_m: 24, hnsw_ef_construction: 300, hnsw_ef_search: 80}",
            "similarity: {hnsw_ef_search: 90}",
            "",
            "similarity: {index_type: flat}",
        ] {
            let server = Running::start_on(disk.clone(), with(text)).await;
            let stats = server.client().await.collection_stats("default").await.unwrap();
            let keys = ["index", "m", "ef_construction", "ef_search"];
            shown.push(keys.map(|key| stats.get(key).unwrap_or("-").to_owned()).join(" "));
            server.stop().await;
        }
        assert_eq!(shown, ["graph 24 300 80", "graph 24 300 90", "graph 24 300 90", "flat - - -"]);
    });
}
