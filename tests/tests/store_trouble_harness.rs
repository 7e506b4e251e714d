//! Every trouble that the harness can make for a store really happens: Redis itself is asked, and nobody else.

use std::time::Duration;

use tempfile::TempDir;
use tidegate_tests::redis::{
    Caught, Failover, Hold, Keep, Link, RedisCluster, RedisPair, RedisSentinels, RedisServer, StoreLink,
};
use tidegate_tests::{PATIENCE, eventually};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

async fn server(dir: &TempDir) -> RedisServer {
    RedisServer::start(dir.path()).await.expect("Redis")
}

/// The answer to a command, which may be a refusal.
async fn say(server: &RedisServer, command: &str) -> String {
    let words: Vec<_> = command.split(' ').collect();
    server.command(&words).await.unwrap_or_else(|refusal| format!("refused: {}", refusal.root_cause()))
}

/// One connection that speaks Redis's protocol word by word, to see what becomes of a connection.
struct Raw(BufReader<TcpStream>);

impl Raw {
    async fn connect(url: &str) -> Self {
        let addr = url.strip_prefix("redis://").expect("an address without a password");
        Self(BufReader::new(TcpStream::connect(addr).await.expect("a connection")))
    }

    async fn send(&mut self, command: &str) -> std::io::Result<()> {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).await
    }

    /// The next line, or nothing at the connection's end, however that came.
    async fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("an answer or an end");
        read.is_ok_and(|n| n > 0).then(|| line.trim_end().to_owned())
    }

    async fn say(&mut self, command: &str) -> Option<String> {
        // Whether it could be written shows in whether it is answered.
        let _ = self.send(command).await;
        self.hear().await
    }

    async fn is_silent_for(&mut self, ms: u64) -> bool {
        timeout(Duration::from_millis(ms), self.0.fill_buf()).await.is_err()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_empty_or_with_its_data() {
    let dir = dir();
    let mut redis = server(&dir).await;
    let (url, first_id) = (redis.url(), redis.replication_id().await.expect("an id"));
    assert_eq!(say(&redis, "SET a 1").await, "OK");

    redis.restart(Keep::Data).await.expect("a start");
    assert_eq!(say(&redis, "GET a").await, "1", "what runs can be saved before it ends");
    let second_id = redis.replication_id().await.expect("an id");
    assert_ne!(first_id, second_id);

    redis.kill().await.expect("an end");
    assert!(!redis.answers_within(1000).await);
    redis.restart(Keep::Data).await.expect_err("a dead server's memory is gone");
    redis.restart(Keep::Nothing).await.expect("a start");
    assert_eq!((say(&redis, "DBSIZE").await.as_str(), redis.url()), ("0", url));
    assert_ne!(redis.replication_id().await.expect("an id"), second_id);

    assert_eq!(say(&redis, "SET before 1").await, "OK");
    redis.make_durable().await.expect("persistence");
    assert_eq!(say(&redis, "SET after 2").await, "OK");
    redis.kill().await.expect("an end");
    redis.restart(Keep::Data).await.expect("a start");
    assert_eq!(say(&redis, "MGET before after").await, "1\n2");
    redis.restart(Keep::Nothing).await.expect("a start");
    assert_eq!(say(&redis, "DBSIZE").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_server_is_gone() {
    let dir = dir();
    let redis = server(&dir).await;
    let addr = ("127.0.0.1", redis.port());
    drop(redis);
    eventually("its end", async || TcpStream::connect(addr).await.is_err().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_says_nothing_and_answers_later() {
    let dir = dir();
    let redis = server(&dir).await;
    let mut raw = Raw::connect(&redis.url()).await;
    redis.freeze().await.expect("a stop");
    let mut gave_up = Raw::connect(&redis.url()).await;
    raw.send("SET waited 1").await.expect("the kernel takes it");
    gave_up.send("SET gave_up 1").await.expect("the kernel takes it");
    assert!(raw.is_silent_for(300).await);
    assert!(!redis.answers_within(300).await);
    drop(gave_up);
    redis.thaw().expect("it goes on");
    assert_eq!(raw.hear().await.as_deref(), Some("+OK"), "executed late, not lost");
    let both = async || (say(&redis, "EXISTS waited gave_up").await == "2").then_some(());
    eventually("the command of one who is not there any more", both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_takes_everything_and_keeps_the_replication_id() {
    let dir = dir();
    let redis = server(&dir).await;
    let id = redis.replication_id().await.expect("an id");
    assert_eq!(say(&redis, "MSET ours:a 1 ours:b 2 theirs:a 3").await, "OK");
    assert_eq!(redis.delete("ours:*").await.expect("a count"), 2);
    assert_eq!(say(&redis, "KEYS *").await, "theirs:a");
    redis.flush().await.expect("a flush");
    assert_eq!(say(&redis, "DBSIZE").await, "0");
    assert_eq!(redis.replication_id().await.expect("an id"), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_evicts_or_refuses() {
    let dir = dir();
    let redis = server(&dir).await;
    let fill = "for i = 1, 300 do redis.call('SET', 'key' .. i, i) end return redis.call('DBSIZE')";
    assert_eq!(redis.command(&["EVAL", fill, "0"]).await.expect("a count"), "300");
    assert_eq!(redis.evict().await.expect("a count"), 300);
    assert_eq!(redis.info("evicted_keys").await.expect("a count"), "300");
    assert_eq!(redis.config_get("maxmemory-policy").await.expect("a policy"), "noeviction");

    assert_eq!(say(&redis, "SET a 1").await, "OK", "the limit is gone again");
    redis.config_set("maxmemory", "1").await.expect("a setting");
    let refusal = say(&redis, "SET a 2").await;
    assert!(refusal.starts_with("refused: OOM"), "{refusal}");
    assert_eq!(say(&redis, "GET a").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_holds_the_commands_of_those_who_wait() {
    let dir = dir();
    let redis = server(&dir).await;
    let mut patient = Raw::connect(&redis.url()).await;
    let mut gave_up = Raw::connect(&redis.url()).await;
    redis.slow(700).await.expect("a pause");
    let began = Instant::now();
    patient.send("SET patient 1").await.expect("the kernel takes it");
    gave_up.send("SET gave_up 1").await.expect("the kernel takes it");
    assert!(patient.is_silent_for(100).await);
    drop(gave_up);
    assert_eq!(patient.hear().await.as_deref(), Some("+OK"));
    // The pause began a little before the clock here.
    assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(say(&redis, "KEYS *").await, "patient", "a pause forgets who has left, other than a freeze");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_is_wrong_and_jumps() {
    let dir = dir();
    let right = server(&dir).await;
    let redis = RedisServer::start_with_clock(dir.path(), 3_600_000).await.expect("Redis with libfaketime");
    // Between two looks at two clocks some time passes; two seconds are plenty, and little beside the jumps.
    let is_ahead = async |s: i64| {
        let ahead = redis.time_us().await.expect("a time") - right.time_us().await.expect("a time");
        assert!((ahead - s * 1_000_000).abs() < 2_000_000, "ahead by {ahead} µs, not {s} s");
    };
    is_ahead(3600).await;
    assert_eq!(say(&redis, "SET a 1 PX 60000").await, "OK");
    redis.jump_clock(-7_200_500).expect("a jump");
    is_ahead(-7200).await;
    let left_ms: i64 = say(&redis, "PTTL a").await.parse().expect("a number");
    assert!(left_ms > 10_000_000, "a key outlives a clock that was set back: {left_ms} ms left");
    redis.jump_clock(3_700_000).expect("a jump");
    is_ahead(3700).await;
    assert_eq!(say(&redis, "EXISTS a").await, "0", "and dies of one that was set forward");
    let in_script = say(&redis, "EVAL return(redis.call('TIME')[1]) 0").await;
    let outside = redis.time_us().await.expect("a time") / 1_000_000;
    assert!((outside - in_script.parse::<i64>().expect("a number")).abs() <= 2, "{in_script} and {outside}");
    right.jump_clock(1).expect_err("it has the system's clock");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_loses_what_was_acknowledged() {
    let dir = dir();
    let mut pair = RedisPair::start(dir.path(), &[]).await.expect("a pair");
    let (id, followed) = pair.replication_ids().await.expect("two ids");
    assert_eq!(id, followed);
    let mut client = Raw::connect(&pair.url()).await;
    assert_eq!(client.say("SET kept 1").await.as_deref(), Some("+OK"));
    assert_eq!(client.say("WAIT 1 10000").await.as_deref(), Some(":1"));
    pair.promote_replica(true).await.expect_err("nothing was cut off, so nothing would be lost");
    pair.cut_off_replica();
    assert_eq!(client.say("SET lost 1").await.as_deref(), Some("+OK"), "acknowledged");
    // WAIT speaks of what its own connection has written, so it is asked on the same one.
    assert_eq!(client.say("WAIT 1 100").await.as_deref(), Some(":0"));
    pair.promote_replica(true).await.expect("a promotion");

    assert_eq!(client.say("PING").await, None, "who was connected is not any more");
    let mut client = Raw::connect(&pair.url()).await;
    assert_eq!(client.say("EXISTS kept").await.as_deref(), Some(":1"));
    assert_eq!(client.say("EXISTS lost").await.as_deref(), Some(":0"), "acknowledged, and gone");
    assert_eq!(client.say("SET new 1").await.as_deref(), Some("+OK"), "it takes writes");
    assert_ne!(pair.primary().replication_id().await.expect("an id"), id, "a promotion shows");

    pair.old_primary_returns().await.expect("it goes on");
    assert_eq!(say(pair.replica(), "EXISTS lost new").await, "1", "it has the one and not the other");
    assert_eq!(say(pair.replica(), "SET split 1").await, "OK", "there are two primaries");
    assert_eq!(pair.replica().replication_id().await.expect("an id"), id, "and the old one shows nothing");
    pair.demote_old_primary().await.expect("a replica");
    assert_eq!(say(pair.replica(), "EXISTS lost split").await, "0");
    assert_eq!(say(pair.replica(), "EXISTS kept new").await, "2");
    let (id, followed) = pair.replication_ids().await.expect("two ids");
    assert_eq!(id, followed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_promotion_loses_nothing() {
    let dir = dir();
    let mut pair = RedisPair::start(dir.path(), &[]).await.expect("a pair");
    for n in 0..50 {
        assert_eq!(say(pair.primary(), &format!("SET key{n} {n}")).await, "OK");
    }
    pair.promote_replica(false).await.expect("a promotion");
    assert_eq!(say(pair.primary(), "DBSIZE").await, "50");
    assert_eq!(pair.primary().info("role").await.expect("a role"), "master");
    pair.old_primary_returns().await.expect("it goes on");
    pair.demote_old_primary().await.expect("a replica");
    pair.promote_replica(false).await.expect("a promotion back");
    assert_eq!(say(pair.primary(), "DBSIZE").await, "50");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_replica_changes_the_primarys_id_though_nothing_is_lost() {
    let dir = dir();
    let (primary, replica) = (server(&dir).await, server(&dir).await);
    let id = primary.replication_id().await.expect("an id");
    assert_eq!(say(&primary, "SET a 1").await, "OK");
    assert_eq!(say(&replica, &format!("REPLICAOF 127.0.0.1 {}", primary.port())).await, "OK");
    eventually("the data", async || (say(&replica, "GET a").await == "1").then_some(())).await;
    assert_ne!(primary.replication_id().await.expect("an id"), id);
    assert_eq!(say(&primary, "GET a").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_misses_its_replica_refuses_writes() {
    let dir = dir();
    let lines = ["min-replicas-to-write 1", "min-replicas-max-lag 1"];
    let pair = RedisPair::start(dir.path(), &lines).await.expect("a pair");
    eventually("writes", async || (say(pair.primary(), "SET a 1").await == "OK").then_some(())).await;
    pair.cut_off_replica();
    let refused =
        async || say(pair.primary(), "SET a 2").await.starts_with("refused: NOREPLICAS").then_some(());
    eventually("a refusal", refused).await;
    pair.reconnect_replica();
    eventually("writes again", async || (say(pair.primary(), "SET a 3").await == "OK").then_some(())).await;
    pair.wait_in_sync().await.expect("sync");
    assert_eq!(say(pair.replica(), "GET a").await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_agree_on_a_new_primary_and_demote_the_old_one() {
    let dir = dir();
    let mut house = RedisSentinels::start(dir.path(), &[]).await.expect("sentinels");
    assert_eq!(house.sentinel_urls().len(), 3);
    let before = house.primary_addr().await.expect("a primary");
    let primary = house.primary().await.expect("a primary");
    assert_eq!(primary.port(), before.port());
    let mut client = Raw::connect(&primary.url()).await;
    assert_eq!(client.say("SET a 1").await.as_deref(), Some("+OK"));
    assert_eq!(client.say("WAIT 1 10000").await.as_deref(), Some(":1"));

    let old = house.failover(Failover::Killed).await.expect("a failover");
    assert_eq!(old, before.port());
    let primary = house.primary().await.expect("a primary");
    assert_ne!(primary.port(), old);
    assert_eq!(say(primary, "GET a").await, "1");
    assert_eq!(say(primary, "SET a 2").await, "OK");

    let returned = house.returns(old, Keep::Nothing).await.expect("a start");
    assert_eq!(say(returned, "SET split 1").await, "OK", "for a while there are two primaries");
    let replica = async || (returned.info("role").await.ok()? == "slave").then_some(());
    eventually("the sentinels to demote it", replica).await;
    let same = async || (say(returned, "GET a").await == "2").then_some(());
    eventually("the new primary's data", same).await;
    assert_eq!(say(returned, "EXISTS split").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_do_as_they_are_asked() {
    let dir = dir();
    let mut house = RedisSentinels::start(dir.path(), &[]).await.expect("sentinels");
    let old = house.failover(Failover::Asked).await.expect("a failover");
    let new = house.primary().await.expect("a primary");
    assert_ne!(new.port(), old);
    assert_eq!(say(new, "SET a 1").await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_sends_clients_to_the_right_node_and_stops_when_one_is_lost() {
    let dir = dir();
    let mut cluster = RedisCluster::start(dir.path()).await.expect("a cluster");
    assert_eq!(cluster.urls().len(), 3);
    // The slot of `foo` is 12182, in the last third.
    let port = cluster.nodes()[2].port();
    let elsewhere = say(&cluster.nodes()[0], "SET foo 1").await;
    assert_eq!(elsewhere, format!("refused: MOVED 12182 127.0.0.1:{port}"));
    assert_eq!(say(&cluster.nodes()[2], "SET foo 1").await, "OK");
    let crossing = say(&cluster.nodes()[2], "MSET foo 1 bar 2").await;
    assert!(crossing.starts_with("refused: CROSSSLOT"), "{crossing}");

    cluster.nodes_mut()[0].kill().await.expect("an end");
    let down =
        async || say(&cluster.nodes()[2], "GET foo").await.starts_with("refused: CLUSTERDOWN").then_some(());
    eventually("the others to refuse", down).await;
    cluster.nodes_mut()[0].restart(Keep::Nothing).await.expect("a start");
    cluster.wait_ok().await.expect("a whole cluster");
    assert_eq!(say(&cluster.nodes()[2], "GET foo").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn acl_users_may_what_their_line_says() {
    let dir = dir();
    let users = ["user default off", "user tidegate on >secret ~tidegate:* -@all +get +set"];
    let redis = RedisServer::start_with_acl(dir.path(), &users).await.expect("Redis");
    let as_user = async |command: &[&str]| match redis.command_as("tidegate", "secret", command).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.to_string(),
    };
    assert_eq!(as_user(&["SET", "tidegate:a", "1"]).await, "OK");
    assert!(as_user(&["SET", "other", "1"]).await.starts_with("NOPERM"));
    assert!(as_user(&["INFO"]).await.starts_with("NOPERM"));
    let stranger = redis.command_as("tidegate", "guess", &["PING"]).await.expect_err("a refusal");
    assert!(stranger.to_string().contains("WRONGPASS"), "{stranger}");
    let addr = redis.url_as("tidegate", "secret");
    assert_eq!(addr, format!("redis://tidegate:secret@127.0.0.1:{}", redis.port()));
    let mut nobody = Raw::connect(&format!("redis://127.0.0.1:{}", redis.port())).await;
    let refusal = nobody.say("GET tidegate:a").await.expect("an answer");
    assert!(refusal.starts_with("-NOAUTH"), "{refusal}");
    assert_eq!(redis.content().await.expect("the harness may read"), "tidegate:a\n1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_server_speaks_tls_only_and_names_its_authority() {
    let dir = dir();
    let redis = RedisServer::start_tls(dir.path()).await.expect("Redis");
    assert_eq!(redis.url(), format!("rediss://127.0.0.1:{}", redis.port()));
    // Every question of the harness is asked with TLS, and the certificate is verified.
    assert_eq!(say(&redis, "SET a 1").await, "OK");
    let certificates = std::fs::read_to_string(redis.ca_file().expect("it has one")).expect("a file");
    assert!(certificates.starts_with("-----BEGIN CERTIFICATE-----"));
    let mut plain = Raw::connect(&format!("redis://127.0.0.1:{}", redis.port())).await;
    assert_eq!(plain.say("GET a").await, None, "without TLS it answers nothing");
    // The authority of another server does not vouch for this one.
    let other = RedisServer::start_tls(dir.path()).await.expect("Redis");
    let port = redis.port().to_string();
    let mut stranger = tokio::process::Command::new("redis-cli");
    stranger
        .args(["-h", "127.0.0.1", "-p", &port, "--tls", "--cacert"])
        .args([other.ca_file().expect("it has one").as_os_str(), "PING".as_ref()]);
    let refused = stranger.output().await.expect("redis-cli runs");
    assert!(!refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("certificate verify failed"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_server_is_watched() {
    let dir = dir();
    let redis = RedisServer::start_protected(dir.path(), "open sesame").await.expect("Redis");
    let mut asked = redis.monitor().await.expect("a monitor");
    assert_eq!(say(&redis, "HSET h field value").await, "1");
    let seen = async {
        while let Some(line) = asked.recv().await {
            if line.contains("\"HSET\" \"h\"") {
                return true;
            }
        }
        false
    };
    assert!(timeout(PATIENCE, seen).await.expect("MONITOR goes on"));
    assert_eq!(redis.content().await.expect("content"), "h\nfield\nvalue\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_owner_is_cut_off_and_another_is_not() {
    let dir = dir();
    let redis = server(&dir).await;
    let (a, b) = (StoreLink::start(redis.port()).await, StoreLink::start(redis.port()).await);
    let (a, b) = (a.expect("a link"), b.expect("a link"));
    let (mut owner_a, mut owner_b) = (Raw::connect(&a.url()).await, Raw::connect(&b.url()).await);
    assert_eq!(owner_a.say("INCR n").await.as_deref(), Some(":1"));

    a.set(Link::BlackHole);
    owner_a.send("INCR n").await.expect("the kernel takes it");
    let mut newcomer = Raw::connect(&a.url()).await;
    newcomer.send("INCR n").await.expect("the kernel takes it");
    assert!(owner_a.is_silent_for(200).await);
    assert_eq!(owner_b.say("INCR n").await.as_deref(), Some(":2"), "only B's has arrived");
    a.set(Link::Open);
    assert_eq!(owner_a.hear().await.as_deref(), Some(":3"), "late, and not lost");
    assert_eq!(newcomer.hear().await, None, "what was never connected is reset");
    assert_eq!(say(&redis, "GET n").await, "3");

    a.set(Link::Cut);
    assert_eq!(owner_a.hear().await, None);
    // The reset comes while the connection is made, or right after.
    if let Ok(stream) = TcpStream::connect(a.addr()).await {
        assert_eq!(Raw(BufReader::new(stream)).say("INCR n").await, None);
    }
    assert_eq!(owner_b.say("INCR n").await.as_deref(), Some(":4"));

    a.set(Link::Slow(300));
    let mut owner_a = Raw::connect(&a.url()).await;
    let began = Instant::now();
    assert_eq!(owner_a.say("INCR n").await.as_deref(), Some(":5"));
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!((a.get(), a.connections(), b.connections()), (Link::Slow(300), 4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_passes_no_black_hole() {
    let dir = dir();
    let mut redis = server(&dir).await;
    let link = StoreLink::start(redis.port()).await.expect("a link");
    let mut owner = Raw::connect(&link.url()).await;
    assert_eq!(owner.say("PING").await.as_deref(), Some("+PONG"));
    link.set(Link::BlackHole);
    redis.kill().await.expect("an end");
    assert!(owner.is_silent_for(200).await, "the owner cannot know that the store is dead");
    link.set(Link::Open);
    assert_eq!(owner.hear().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_is_caught_and_nobody_else_is_held() {
    let dir = dir();
    let redis = server(&dir).await;
    let link = StoreLink::start(redis.port()).await.expect("a link");
    let (mut owner, mut other) = (Raw::connect(&link.url()).await, Raw::connect(&link.url()).await);
    assert_eq!(owner.say("INCR n").await.as_deref(), Some(":1"));

    link.lie_in_wait("INCR n", Hold::Answer);
    assert_eq!(owner.say("PING").await.as_deref(), Some("+PONG"), "not what it waits for");
    owner.send("INCR n").await.expect("it is sent");
    link.caught(Caught::Held).await;
    assert_eq!(say(&redis, "GET n").await, "2", "it was carried out");
    assert!(owner.is_silent_for(200).await, "and its answer is held");
    assert_eq!(other.say("INCR n").await.as_deref(), Some(":3"), "one is enough");
    link.release();
    assert_eq!(owner.hear().await.as_deref(), Some(":2"));

    link.lie_in_wait("INCR n", Hold::Request);
    owner.send("INCR n").await.expect("it is sent");
    link.caught(Caught::Held).await;
    assert!(owner.is_silent_for(200).await);
    assert_eq!(say(&redis, "GET n").await, "3", "it never arrived");
    link.release();
    assert_eq!(owner.hear().await.as_deref(), Some(":4"));
}
