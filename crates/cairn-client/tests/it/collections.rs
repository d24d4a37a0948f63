//! Collections and their storage: the lines that are sent, and what comes back.

use crate::fake::{run, scripted};
use cairn_client::{Client, Error};

#[test]
fn typed_commands_send_their_lines() {
    run(async {
        let block: &[u8] = b"OK DONE\r\nvectors: 7\r\nEND\r\n";
        let mut replies = vec![block; 11];
        replies.extend([&b"OK VECDEL\r\n"[..], b"OK USE books\r\n"]);
        let (addr, server) = scripted(replies).await;
        let mut client = Client::connect(addr).await.unwrap();
        let options = [("dimension", "384"), ("fields", "a \"b\",c")];
        let made = client.collection_create("books", &options).await.unwrap();
        assert_eq!((made.head.as_str(), made.number("vectors")), ("OK DONE", Some(7)));
        client.collection_list().await.unwrap();
        client.collection_stats("books").await.unwrap();
        client.collection_drop("books", true).await.unwrap();
        client.collection_rename("books", "tomes").await.unwrap();
        client.collection_alias("shelf", "tomes").await.unwrap();
        client.collection_unalias("shelf").await.unwrap();
        client.collection_configure("tomes", &[("ef_search", "80")]).await.unwrap();
        client.storage_stats(Some("tomes")).await.unwrap();
        client.storage_mmap(&[("enable", "on")]).await.unwrap();
        client.storage_compact(Some("tomes"), &[("threshold", "20%")]).await.unwrap();
        client.vecdel("a").await.unwrap();
        client.use_collection("books").await.unwrap();
        let expected = [
            "COLLECTION CREATE books dimension=\"384\" fields=\"a \\\"b\\\",c\"",
            "COLLECTION LIST",
            "COLLECTION STATS books",
            "COLLECTION DROP books dry_run=on",
            "COLLECTION RENAME books tomes",
            "COLLECTION ALIAS shelf tomes",
            "COLLECTION UNALIAS shelf",
            "COLLECTION CONFIGURE tomes ef_search=\"80\"",
            "STORAGE STATS tomes",
            "STORAGE MMAP enable=\"on\"",
            "STORAGE COMPACT tomes threshold=\"20%\"",
            "VECDEL a",
            "USE books",
        ];
        assert_eq!(server.await.unwrap(), expected);
    });
}

#[test]
fn a_refusal_is_an_error_and_a_name_that_is_no_word_is_not_sent() {
    run(async {
        let (addr, server) =
            scripted(vec![b"(error) Collection not found: x (there are: default)\r\n"]).await;
        let mut client = Client::connect(addr).await.unwrap();
        assert!(matches!(client.collection_stats("a b").await, Err(Error::Input(_))));
        assert!(matches!(client.collection_create("a", &[("m", "1\n2")]).await, Err(Error::Input(_))));
        let error = client.use_collection("x").await.unwrap_err();
        assert_eq!(error.refusal().unwrap().message, "Collection not found: x (there are: default)");
        assert_eq!(server.await.unwrap(), ["USE x"]);
    });
}
