//! While the state is being replaced: reads go on, writes and saves get a clear error.

use crate::running::{Running, config, engine, fill, refused, run, state_hash};
use cairn_client::{Create, Sim, Using};
use cairn_disk::SimDisk;
use cairn_engine::Error;
use std::sync::mpsc::channel;

#[test]
fn reads_go_on_and_writes_and_saves_are_refused() {
    run(async {
        let (disk, config) = (SimDisk::new(1), config());
        let engine = engine(&disk, &config);
        let server = Running::start_engine(engine.clone(), disk, config).await;
        let mut client = server.client().await;
        fill(&mut client).await;
        client.snapshot_create(&Create { name: Some("x".into()), ..Create::default() }).await.unwrap();
        let before = state_hash(&mut client).await;

        let ((begun, has_begun), (fail, told_to_fail)) = (channel(), channel::<()>());
        let load = tokio::task::spawn_blocking(move || {
            let loaded = engine.load("a test", |_| {
                begun.send(()).unwrap();
                told_to_fail.recv().unwrap();
                Err::<Vec<u8>, Error>(Error::Input("as the test wants it".into()))
            });
            loaded.unwrap_err().to_string()
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();

        assert_eq!(
            refused(&mut client, "VECSET a 1 2 3").await,
            "LOADING (a test): reads go on, writes when it is done"
        );
        assert_eq!(
            refused(&mut client, "EVENT c ADD item1 1").await,
            "LOADING (a test): reads go on, writes when it is done"
        );
        assert!(refused(&mut client, "COLLECTION CREATE books").await.starts_with("LOADING (a test)"));
        assert!(refused(&mut client, "VECDEL item1").await.starts_with("LOADING (a test)"));
        client.use_collection("default").await.unwrap();
        assert_eq!(client.collection_list().await.unwrap().number("collections"), Some(1));
        assert_eq!(refused(&mut client, "DUMP SAVE a.nvec").await, "Cannot save snapshot: read-only mode");
        assert_eq!(refused(&mut client, "SNAPSHOT CREATE").await, "Cannot save snapshot: read-only mode");
        assert!(refused(&mut client, "SNAPSHOT RESTORE x").await.starts_with("LOADING"));
        let by_vector = Sim { using: Some(Using::Vectors), ..Sim::default() };
        assert_eq!(client.sim("item1", 5, &by_vector).await.unwrap().len(), 5);
        assert_eq!(client.info().await.unwrap().get("loading"), Some("a test"));
        assert_eq!(state_hash(&mut client).await, before);

        fail.send(()).unwrap();
        assert_eq!(load.await.unwrap(), "as the test wants it");
        assert_eq!(state_hash(&mut client).await, before);
        client.vecset("a", &[1.0, 2.0, 3.0]).await.unwrap();
        client.snapshot_create(&Create::default()).await.unwrap();
        server.stop().await;
    });
}
