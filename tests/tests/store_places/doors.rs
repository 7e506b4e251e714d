//! TLS, passwords and users of little right.

use std::sync::Arc;

use tidegate_lanes::{GrantReply, GrantStore, Intent, RedisPlace, RedisStore, RedisTls, StoreError};
use tidegate_tests::eventually;
use tidegate_tests::redis::RedisServer;

use crate::owner::{Owner, config, dir, server};

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_the_authority_decides() {
    let dir = dir();
    let redis = RedisServer::start_tls(dir.path()).await.expect("Redis");
    let other = RedisServer::start_tls(dir.path()).await.expect("another authority's");
    let trusting = |server: &RedisServer| {
        let ca_pem = std::fs::read(server.ca_file().expect("behind TLS")).expect("a certificate");
        RedisTls { ca_pem: Some(ca_pem), client_pem: None }
    };
    let at = |tls| config(RedisPlace::Server { url: redis.url(), tls });
    let store = Arc::new(RedisStore::connect(at(trusting(&redis))).await.expect("a store"));
    let mut owner = Owner::settle(&store, "main", "a").await;
    owner.renewed().await;
    owner.is_heard_by(&store).await;

    for tls in [trusting(&other), RedisTls::default()] {
        let refused = RedisStore::connect(at(tls)).await.expect_err("an unknown authority");
        assert!(refused.to_string().contains("certificate"), "{refused}");
    }
    let plain = RedisStore::connect(server(format!("redis://127.0.0.1:{}", redis.port()))).await;
    assert!(matches!(plain, Err(StoreError::Unreachable { .. })), "{plain:?}");
    let nonsense = RedisTls { ca_pem: Some(b"no certificate".to_vec()), client_pem: None };
    let nonsense = RedisStore::connect(at(nonsense)).await.expect_err("no certificate");
    assert!(matches!(nonsense, StoreError::BadAddress { .. }) && nonsense.is_refusal(), "{nonsense}");
}

/// What a user needs, as the runbook has it.
const RIGHTS: &str = "~tidegate:* ~{tidegate:* &tidegate:released +evalsha +eval +hset +hget +hmget +hgetall \
                      +del +pexpire +zadd +zrem +zrange +zremrangebyscore \
                      +hdel +time +info +set +get +exists +ping +select +wait +publish +subscribe";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_no_more_than_the_runbook_says() {
    let runbook = include_str!("../../../deploy/RUNBOOK.md");
    for right in RIGHTS.split_whitespace() {
        assert!(runbook.contains(right), "the runbook does not name {right}");
    }
    let dir = dir();
    let deaf = RIGHTS.replace("&tidegate:released", "resetchannels");
    let users = [
        format!("user tidegate on >right-pass {RIGHTS}"),
        format!("user deaf on >right-pass {deaf}"),
        "user blind on >right-pass ~* +ping".to_owned(),
    ];
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let redis = RedisServer::start_with_acl(dir.path(), &users).await.expect("Redis");
    let url = |user: &str| redis.url_as(user, "right-pass");
    let store = Arc::new(RedisStore::connect(server(url("tidegate"))).await.expect("a store"));
    let mut owner = Owner::settle(&store, "main", "a").await;
    owner.renewed().await;
    owner.is_heard_by(&store).await;
    assert_eq!(*store.deaf().borrow(), None);
    // Without the channel everything goes on, only nobody hears of releases.
    let quiet = Arc::new(RedisStore::connect(server(url("deaf"))).await.expect("a store"));
    let mut owner = Owner::settle(&quiet, "second", "a").await;
    owner.give_back().await.expect("given back all the same");
    assert!(matches!(owner.ask(Intent::Look).await, Ok(GrantReply::Free { .. })));
    eventually("the store to know that it is deaf", async || quiet.deaf().borrow().clone().map(|_| ())).await;

    for (user, password) in [("blind", "right-pass"), ("tidegate", "wrong-pass")] {
        let refused = RedisStore::connect(server(redis.url_as(user, password))).await.expect_err("no right");
        assert!(matches!(refused, StoreError::Forbidden { .. }) && refused.is_refusal(), "{refused}");
        assert!(!refused.to_string().contains(password), "{refused}");
    }
    store.ping().await.expect("an answer");
}
