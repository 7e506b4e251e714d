//! A cluster: each domain is on one node, wherever that is.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_lanes::{
    GrantReply, GrantStore, Intent, RedisAddr, RedisLogin, RedisPlace, RedisStore, StoreError, StoreProfile,
};
use tidegate_tests::redis::{RedisCluster, RedisServer};

use crate::owner::{Owner, config, dir, server};

fn place(nodes: &[&RedisServer]) -> RedisPlace {
    let addr = |node: &&RedisServer| RedisAddr { host: "127.0.0.1".to_owned(), port: node.port() };
    RedisPlace::Cluster { nodes: nodes.iter().map(addr).collect(), login: RedisLogin::default(), tls: None }
}

/// Where the keys of a domain are.
async fn node_of<'a>(cluster: &'a RedisCluster, domain: &str) -> &'a RedisServer {
    let key = format!("{{tidegate:{domain}}}:generation");
    for node in cluster.nodes() {
        if node.command(&["EXISTS", &key]).await.is_ok_and(|said| said == "1") {
            return node;
        }
    }
    panic!("no node has {key}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_domain_is_served_by_its_node_and_releases_are_heard_everywhere() {
    let dir = dir();
    let cluster = RedisCluster::start(dir.path()).await.expect("a cluster");
    // One node is named, the others are found.
    let store = Arc::new(RedisStore::connect(config(place(&[&cluster.nodes()[1]]))).await.expect("a store"));
    let other = RedisStore::connect(config(place(&[&cluster.nodes()[0]]))).await.expect("another process");
    let mut nodes = BTreeSet::new();
    for domain in ["main", "second", "desk", "lab", "north", "south", "east", "west"] {
        let mut owner = Owner::settle(&store, domain, "a").await;
        owner.renewed().await;
        nodes.insert(node_of(&cluster, domain).await.port());
        owner.is_heard_by(&other).await;
    }
    assert_eq!(nodes.len(), 3, "the domains are spread");
    store.ping().await.expect("an answer");

    let foreign = RedisStore::connect(tidegate_lanes::RedisConfig {
        deployment: "lab".to_owned(),
        ..config(place(&[&cluster.nodes()[2]]))
    });
    let foreign = foreign.await.expect_err("another deployment");
    assert!(matches!(&foreign, StoreError::OtherDeployment { owner, .. } if owner == "desk"), "{foreign}");
    let alone =
        tidegate_lanes::RedisConfig { profile: StoreProfile::Strict, ..server(cluster.nodes()[0].url()) };
    let alone = RedisStore::connect(alone).await.expect_err("a node is not a server");
    assert!(alone.to_string().contains("use store.cluster"), "{alone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_moves_to_another_node_is_followed() {
    let dir = dir();
    let cluster = RedisCluster::start(dir.path()).await.expect("a cluster");
    let store = Arc::new(RedisStore::connect(config(place(&[&cluster.nodes()[0]]))).await.expect("a store"));
    let mut owner = Owner::settle(&store, "main", "a").await;
    let from = node_of(&cluster, "main").await;
    let to = cluster.nodes().iter().find(|node| node.port() != from.port()).expect("another node");
    let slot = from.command(&["CLUSTER", "KEYSLOT", "{tidegate:main}"]).await.expect("a slot");
    let (from_id, to_id) = (
        from.command(&["CLUSTER", "MYID"]).await.expect("an id"),
        to.command(&["CLUSTER", "MYID"]).await.expect("an id"),
    );
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await.expect("begun");
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await.expect("begun");
    let keys = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await.expect("keys");
    let port = to.port().to_string();
    for key in keys.lines() {
        from.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).await.expect("moved");
    }
    // Between two nodes nothing is granted, and nothing is lost.
    owner.renew().await.expect_err("the keys are under way");
    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await.expect("moved");
    }
    // Another server has another replication id: a new generation, in which the live owner goes on.
    owner.renewed().await;
    assert_eq!(node_of(&cluster, "main").await.port(), to.port());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_is_an_error_until_it_is_back() {
    let dir = dir();
    let mut cluster = RedisCluster::start(dir.path()).await.expect("a cluster");
    let all: Vec<&RedisServer> = cluster.nodes().iter().collect();
    let store = Arc::new(RedisStore::connect(config(place(&all))).await.expect("a store"));
    let mut owner = Owner::settle(&store, "main", "a").await;
    let lost = node_of(&cluster, "main").await.port();
    let at = cluster.nodes().iter().position(|node| node.port() == lost).expect("one of them");
    cluster.nodes()[at].freeze().await.expect("frozen");
    owner.renew().await.expect_err("nobody has the keys");
    cluster.nodes()[at].thaw().expect("awake");
    owner.renewed().await;
    cluster.nodes_mut()[at].make_durable().await.expect("durable");
    cluster.nodes_mut()[at].kill().await.expect("dead");
    owner.renew().await.expect_err("nobody has the keys");
    cluster.nodes_mut()[at].restart(tidegate_tests::redis::Keep::Data).await.expect("back");
    cluster.wait_ok().await.expect("whole");
    owner.renewed().await;
    assert!(matches!(owner.ask(Intent::Look).await, Ok(GrantReply::Held { .. })));
}
