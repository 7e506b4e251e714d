use tidegate_core::{NonceUnit, Permission};

use super::*;

const SAMPLE: &str = include_str!("../../../../../deploy/config/sample.toml");

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, Mistakes> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(("test.toml", text)), env.collect::<Vec<_>>())
}

/// The lines of all mistakes, joined.
fn mistakes(text: &str, env: &[(&str, &str)]) -> String {
    load(text, env).expect_err("mistakes").to_string()
}

#[test]
fn without_a_file_it_is_the_sandbox_on_loopback() {
    let config = Config::embedded_defaults().expect("no mistakes");
    assert!(config.sandbox.enabled);
    assert!(!config.store.is_shared());
    assert!(config.gateway.listen.ip().is_loopback() && config.executor.listen.ip().is_loopback());
    assert!(config.keys.values().all(|key| key.source == KeySource::Sandbox && key.window == 0));
    let sandbox = "127.0.0.1:4711".parse().expect("an address");
    assert_eq!(config.rest_url(Some(sandbox)).expect("a sandbox").as_str(), "http://127.0.0.1:4711");
    let error = config.rest_url(None).expect_err("sandbox keys at Kraken");
    assert!(
        error.to_string().contains("keys.sandbox-read.sandbox: is a key of the built-in sandbox"),
        "{error}"
    );
}

#[test]
fn embedded_keys_are_what_the_sandbox_says_they_are() {
    let published = include_str!("../../../../sandbox/sandbox-keys.json");
    let published: serde_json::Value = serde_json::from_str(published).expect("JSON");
    let config = Config::embedded_defaults().expect("no mistakes");
    assert!(config.keys.len() >= 8);
    for (label, key) in config.keys {
        let all = published["keys"].as_array().expect("a list");
        let row = all.iter().find(|row| row["label"] == label.as_str()).unwrap_or_else(|| panic!("{label}"));
        assert_eq!(row["account"], key.account.as_str(), "{label}");
        assert_eq!(row["nonce_unit"], key.nonce_unit.as_str(), "{label}");
        assert_eq!(row["nonce_window"], key.window, "{label}");
        let tokens = row["permission_tokens"].as_array().expect("a list").iter();
        let tokens =
            tokens.map(|token| token.as_str().expect("a token").parse::<Permission>().expect("known"));
        assert_eq!(tokens.collect::<tidegate_core::PermissionSet>(), key.permissions, "{label}");
        for fault in ["valid_until", "ip_allowlist", "otp"] {
            assert!(row[fault].is_null(), "{label} has {fault} and does not work out of the box");
        }
    }
}

/// Settings of the sample that do not go together with its `redis_url`, or with another one of their table.
const EXCLUSIVE: [&str; 16] = [
    "totp_file",
    "redis_url_file",
    "sentinel_master",
    "sentinel_user",
    "sentinel_password_file",
    "user",
    "password_file",
    "database",
    "tls",
    "ca_file",
    "client_cert_file",
    "client_key_file",
    "sentinel-0",
    "sentinel-1",
    "sentinel-2",
    "node-0",
];

#[test]
fn the_sample_loads_as_it_is_and_with_every_comment_opened() {
    let config = load(SAMPLE, &[]).expect("the sample");
    let defaults = load("", &[]).expect("an empty file");
    assert_eq!(config.gateway, defaults.gateway);
    assert_eq!(config.executor, defaults.executor);
    assert_eq!((config.admin, config.log), (defaults.admin, defaults.log));
    assert_eq!((config.store, config.kraken), (defaults.store, defaults.kraken));
    assert_eq!((config.traces, config.shutdown), (defaults.traces, defaults.shutdown));

    let opened = opened_sample();
    // Each way to Redis excludes the others.
    let one_way = |line: &str| !EXCLUSIVE.iter().any(|key| line.starts_with(&format!("{key} = ")));
    let opened: Vec<&str> = opened.lines().filter(|line| one_way(line)).collect();
    let config = load(&opened.join("\n"), &[]);
    let config = config.expect("the sample with its comments opened");
    assert_eq!(config.executor.pool.expect("opened").as_str(), "trade");
}

#[test]
fn a_key_has_one_second_factor() {
    let key =
        "[accounts.main]\n[keys.desk]\naccount = \"main\"\nfile = \"k\"\npermissions = [\"query-funds\"]\n";
    let config = load(&format!("{key}totp_file = \"seed\""), &[]).expect("one");
    let desk = config.keys.values().next().expect("a key");
    assert_eq!(
        (desk.otp_file.as_deref(), desk.totp_file.as_deref()),
        (None, Some(std::path::Path::new("seed")))
    );
    let both = mistakes(&format!("{key}totp_file = \"seed\"\notp_file = \"password\""), &[]);
    assert!(both.contains("keys.desk.totp_file: must not be given together with otp_file"), "{both}");
}

/// The sample with every line `# key = value` in force.
fn opened_sample() -> String {
    let open = |line: &str| match line.strip_prefix("# ") {
        Some(setting) if setting.split_once(" = ").is_some_and(|(key, _)| key.parse::<Label>().is_ok()) => {
            setting.to_owned()
        }
        _ => line.to_owned(),
    };
    // The one key in it that the opened pool needs.
    SAMPLE.lines().map(open).collect::<Vec<_>>().join("\n").replace("pool = \"default\"", "pool = \"trade\"")
}

#[test]
fn the_sample_shows_every_key_with_a_comment() {
    let opened = opened_sample();
    let table: toml::Table = opened.parse().expect("TOML");
    let (_, keys) = Config::load_noting_keys(Some(("sample", &opened)), []);
    assert!(keys.len() > 60, "{keys:?}");
    for key in keys {
        assert!(shows(&toml::Value::Table(table.clone()), &key), "the sample does not show {key}");
    }
    let mut commented = false;
    for line in SAMPLE.lines().filter(|line| !line.is_empty()) {
        // Settings may share the comment above the first of them.
        assert!(line.starts_with('#') || commented || line.starts_with('['), "no comment near {line}");
        commented = line.starts_with('#') || (commented && !line.starts_with('['));
    }
}

fn shows(value: &toml::Value, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Some(table) = value.as_table() else { return false };
    let mut here = table.iter().filter(|(key, _)| first == "*" || *key == first);
    here.any(|(_, value)| rest.is_none_or(|rest| shows(value, rest)))
}

#[test]
fn all_mistakes_are_reported_at_once_with_path_and_rule() {
    let text = r#"
        [gateway]
        listen = "localhost"
        quota_per_s = 0
        defualt_account = "desk"
        [store]
        timeout_ms = "soon"
        [accounts.main]
        tier = "gold"
        [accounts.small]
        tier = { max = 5, decay_per_s = "0.3333" }
        trading_tier = "custom"
        [accounts.UPPER]
        [keys.a]
        account = "elsewhere"
        sandbox = true
        file = "/a"
        permissions = ["modify-trade", "fly"]
        [keys.b]
        [keys]
        c = 5
        [log]
        filter = "x=loud"
        format = "xml"
        [sandbox]
        [telemetry]
    "#;
    let all = mistakes(text, &[]);
    for line in [
        "accounts.UPPER: the label must be 1 to 48 characters of a-z, 0-9, _ and -",
        r#"accounts.main.tier: "gold" must be starter, intermediate, pro, wide or a table { max, decay_per_s }"#,
        r#"accounts.small.trading_tier: "custom" must be starter, intermediate, pro or wide"#,
        "accounts.small.tier.max: 5 must be a whole number from 6 to 1000000",
        r#"accounts.small.tier.decay_per_s: "0.3333" must be above 0"#,
        r#"gateway.listen: "localhost" must be an IP address and a port"#,
        "gateway.quota_per_s: 0 must be a whole number from 1 to 1000000",
        "gateway.defualt_account: is not a known key; did you mean default_account?",
        "store.timeout_ms: is of type string; must be a whole number from 1 to 60000",
        "keys.a.account: elsewhere must be the name of an account: main, small",
        "keys.a.file: both are given; must be either file = \"...\" or sandbox = true",
        r#"keys.a.permissions[0]: "modify-trade" is not a permission; did you mean modify-trades? allowed are"#,
        r#"keys.a.permissions[1]: "fly" is not a permission; allowed are query-funds, add-funds"#,
        "keys.b.account: is missing; must be the name of an account: main, small",
        "keys.b.permissions: is missing; it is the list of Kraken's permission tokens",
        "keys.b.file: neither is given",
        "keys.c: is of type integer; must be a table",
        r#"log.format: "xml" must be pretty or json"#,
        "log.filter: \"x=loud\" must be a log filter",
        "telemetry: is not a known key; known are accounts, admin, deployment",
    ] {
        assert!(all.lines().any(|found| found.starts_with(line)), "no line {line} in\n{all}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_named() {
    let account = "[accounts.main]\ntier = \"pro\"\n";
    for (text, line) in [
        ("[gateway]\nlisten = \"0.0.0.0:1\"", "gateway.listen: 0.0.0.0:1 is reachable from other machines"),
        ("[executor]\nlisten = \"[::]:1\"", "executor.listen: [::]:1 is reachable"),
        ("[admin]\nlisten = \"10.0.0.1:1\"", "admin.listen: 10.0.0.1:1 is reachable"),
        ("[sandbox]\ntls_listen = \"0.0.0.0:1\"", "sandbox.tls_listen: 0.0.0.0:1 is reachable"),
        (
            "[store]\nredis_url = \"redis://h\"\n[executor]\nlisten = \"0.0.0.0:0\"\n\
             allow_unauthenticated_off_loopback = true",
            "executor.advertise: is missing; with a shared store",
        ),
        (
            "[store]\nredis_url = \"redis://h\"\nredis_url_file = \"/f\"",
            "store.redis_url: is given as well as redis_url_file",
        ),
        (
            "[store]\nredis_url = \"redis://h\"\n[store.cluster]\na = \"h:1\"",
            "store.redis_url: is given as well as cluster; a store is one server, sentinels or a cluster",
        ),
        (
            "[store]\nwait_replicas = 0\n[store.cluster]\na = \"h:1\"",
            "store.wait_replicas: must be at least 1 with sentinels or a cluster",
        ),
        (
            "[store.sentinels]\na = \"h:1\"",
            "store.sentinel_master: is missing; it is the name under which the sentinels know the primary",
        ),
        (
            "[store]\nsentinel_master = \"m\"\n[store.cluster]\na = \"h:1\"",
            "store.sentinel_master: is for store.sentinels, and there are none",
        ),
        (
            "[store]\nredis_url = \"redis://h\"\npassword_file = \"/p\"",
            "store.password_file: is for store.sentinels and store.cluster; the URL of a single server",
        ),
        (
            "[store]\ndatabase = 1\n[store.cluster]\na = \"h:1\"",
            "store.database: is for store.sentinels; a cluster has no other than 0",
        ),
        (
            "[store]\nuser = \"u\"\n[store.cluster]\na = \"h:1\"",
            "store.password_file: is missing; store.user needs a password",
        ),
        (
            "[store]\nredis_url = \"redis://h\"\nca_file = \"/ca\"",
            "store.ca_file: is for TLS; must come with a rediss:// URL, or with store.tls = true",
        ),
        (
            "[store]\nredis_url = \"rediss://h\"\nclient_cert_file = \"/c\"",
            "store.client_key_file: is missing; store.client_cert_file is of no use alone",
        ),
        ("[store.cluster]\na = \"h\"", "store.cluster.a: must be host:port"),
        (
            "[keys.k]\naccount = \"main\"\nfile = \"/k\"\nbreak_glass = \"x\"\npermissions = [\"close-trades\", \"modify-trades\"]",
            "keys.k.permissions: must be [\"close-trades\"] on a break-glass key",
        ),
        (
            "[keys.k]\naccount = \"main\"\nfile = \"/k\"\nbreak_glass = \"x\"\nwindow = 1\npermissions = [\"close-trades\"]",
            "keys.k.window: 1 must be 0 on a break-glass key",
        ),
        (
            "[keys.k]\naccount = \"main\"\nfile = \"/k\"\nwindow = 5\npermissions = [\"modify-trades\", \"query-open-trades\", \"query-closed-trades\"]",
            "keys.k.window: 5 on a key that places orders",
        ),
        (
            "[keys.k]\naccount = \"main\"\nsandbox = true\npermissions = []",
            "keys.k.sandbox: is a key of the built-in sandbox and would be sent to https://api.kraken.com",
        ),
        (
            "[keys.k]\naccount = \"main\"\nsandbox = true\npermissions = []\n[sandbox]\n[kraken]\n\
             rest_url = \"https://API.kraken.com./\"",
            "keys.k.sandbox: is a key of the built-in sandbox",
        ),
        (
            "[executor]\npool = \"trade\"\n[keys.k]\naccount = \"main\"\nfile = \"/k\"\npermissions = []",
            "executor.pool: trade has no keys; must be a pool of some key: default",
        ),
        (
            "[gateway]\ndefault_account = \"desk\"",
            "gateway.default_account: desk must be the name of an account",
        ),
        ("[kraken]\nrest_url = \"http://api.kraken.com\"", "kraken.rest_url: its value must be https://"),
        (
            "[kraken]\ntotal_timeout_ms = 9\nconnect_timeout_ms = 10",
            "kraken.connect_timeout_ms: 10 must not be above kraken.total_timeout_ms, which is 9",
        ),
    ] {
        let found = mistakes(&format!("{account}{text}"), &[]);
        assert!(found.starts_with(line) && found.lines().count() == 1, "{line}\nis not\n{found}");
    }
    let allowed = "[keys.k]\naccount = \"main\"\nfile = \"/k\"\nwindow = 5\npermissions = [\"modify-trades\", \"query-open-trades\", \"query-closed-trades\"]\n\
                   allow_placing_with_window = true\n[gateway]\nlisten = \"0.0.0.0:1\"\n\
                   allow_unauthenticated_off_loopback = true";
    load(&format!("{account}{allowed}"), &[]).expect("allowed by name");
}

#[test]
fn variables_win_over_the_file_and_reach_every_entry() {
    let text = r#"
        [gateway]
        quota_per_s = 5
        [accounts.main]
        [keys.desk-read]
        account = "main"
        file = "/old"
        permissions = []
        [sandbox]
    "#;
    let env = [
        ("PATH", "/bin"),
        ("TIDEGATE_SERVICE_PORT", "tcp://10.0.0.1:1"),
        ("TIDEGATE__GATEWAY__QUOTA_PER_S", "7"),
        ("TIDEGATE__GATEWAY__EXECUTORS__READ", "executor-read:50052"),
        ("TIDEGATE__KEYS__DESK_READ__FILE", "/new"),
        ("TIDEGATE__KEYS__DESK_READ__PERMISSIONS", "[\"query-funds\"]"),
        ("TIDEGATE__KEYS__NEW_ONE__ACCOUNT", "main"),
        ("TIDEGATE__KEYS__NEW_ONE__SANDBOX", "true"),
        ("TIDEGATE__KEYS__NEW_ONE__PERMISSIONS", "[]"),
        ("TIDEGATE__KEYS__NEW_ONE__NONCE_UNIT", "ns"),
        // Looks like a number, but is a name.
        ("TIDEGATE__DEPLOYMENT__NAME", "2026"),
        ("TIDEGATE__ACCOUNTS__MAIN__TIER__MAX", "20"),
        ("TIDEGATE__ACCOUNTS__MAIN__TIER__DECAY_PER_S", "0.33"),
        ("TIDEGATE__SANDBOX__ENGINE_DELAY_MS", "20"),
    ];
    let config = load(text, &env).expect("no mistakes");
    assert_eq!(config.gateway.quota_per_s.get(), 7);
    assert_eq!(config.gateway.quota_burst.get(), 7);
    let executors: Vec<_> = config.gateway.executors.iter().map(|(l, a)| format!("{l} {a}")).collect();
    assert_eq!(executors, ["read executor-read:50052"]);
    let read = &config.keys[&"desk-read".parse().expect("a label")];
    assert_eq!(read.source, KeySource::File("/new".into()));
    assert_eq!(read.permissions.to_string(), "query-funds");
    let new = &config.keys[&"new_one".parse().expect("a label")];
    assert_eq!((&new.source, new.nonce_unit), (&KeySource::Sandbox, NonceUnit::Ns));
    assert_eq!(config.deployment.name.as_str(), "2026");
    let tier = config.accounts[&"main".parse().expect("a label")].tier;
    assert_eq!(tier, Tier::Custom { max_points: 20, decay_milli_per_s: 330 });
    let trading = |text: &str| {
        let config = load(&format!("[accounts.main]\n{text}"), &[]).expect("no mistakes");
        config.accounts[&"main".parse().expect("a label")].trading_tier
    };
    assert_eq!(trading(""), TradingTier::Starter);
    assert_eq!(trading("tier = \"pro\""), TradingTier::Pro);
    assert_eq!(trading("tier = { max = 20, decay_per_s = \"1\" }"), TradingTier::Starter);
    assert_eq!(trading("tier = \"pro\"\ntrading_tier = \"wide\""), TradingTier::Wide);
    assert_eq!(config.sandbox.options["engine_delay_ms"].as_integer(), Some(20));
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    let text = "[gateway]\n[accounts.main]\n[keys.a-b]\naccount = \"main\"\nfile = \"/f\"\npermissions = []\n\
                [keys.a_b]\naccount = \"main\"\nfile = \"/f\"\npermissions = []\n";
    let env = [
        ("TIDEGATE__GATEWAY__LISTEN", "nowhere"),
        ("TIDEGATE__GATEWAY", "x"),
        ("TIDEGATE__GATEWAY__LISTEN__PORT", "5"),
        ("TIDEGATE__KEYS__A_B__POOL", "p"),
        ("TIDEGATE__ADMIN____LISTEN", "x"),
        ("TIDEGATE__LOG__FILTER", "info"),
        ("TIDEGATE__log__filter", "debug"),
        ("TIDEGATE__COLOUR", "red"),
    ];
    let all = mistakes(text, &env);
    for line in [
        "TIDEGATE__ADMIN____LISTEN: has an empty level; write TIDEGATE__SECTION__KEY",
        "TIDEGATE__GATEWAY: sets gateway, which is a table; name a key inside of it",
        "TIDEGATE__GATEWAY__LISTEN__PORT: sets a key inside of listen, which is a string and not a table",
        "TIDEGATE__KEYS__A_B__POOL: means a-b as well as a_b, which differ only in - and _; rename one of them",
        "TIDEGATE__log__filter: sets log.filter, which TIDEGATE__LOG__FILTER also sets; keep one of them",
    ] {
        assert!(all.lines().any(|found| found == line), "no line {line} in\n{all}");
    }
    assert!(all.contains("colour: is not a known key"), "{all}");
    assert!(all.contains("(set by TIDEGATE__COLOUR)"), "{all}");
}

#[test]
fn no_message_and_no_debug_print_holds_a_password() {
    let text = "[store]\nredis_url = \"redis://user:hunter2@cache:6379/3\"";
    let config = load(text, &[]).expect("no mistakes");
    let url = config.store.url().expect("no file").expect("a URL");
    assert_eq!(url.expose(), "redis://user:hunter2@cache:6379/3");
    assert_eq!(url.to_string(), "redis://cache:6379/3");
    assert!(!format!("{config:?}").contains("hunter2"));
    for bad in [
        "redis://user:hunter2@",
        "redis://u:hunter2@x@cache",
        "redis://u:hunt/hunter2@cache",
        "redis://cache/?pass=hunter2",
        "rediss://u:hunt/hunter2@cache",
        "redis+unix:///s?pass=hunter2",
        "hunter2",
    ] {
        let text = format!("[store]\nredis_url = {bad:?}\n[kraken]\nrest_url = \"https://u:hunter2@host\"");
        let all = mistakes(&text, &[("TIDEGATE__STORE__TIMEOUT_MS", "x")]);
        assert!(all.contains("store.redis_url: its value must be redis://"), "{bad}: {all}");
        assert!(all.contains("kraken.rest_url: its value must be http"), "{all}");
        assert!(!all.contains("hunter2"), "{all}");
    }
    let cut_off = "[store]\nredis_url = \"redis://u:hunter2@cache\nprefix = \"x\"";
    let all = mistakes(cut_off, &[]);
    assert!(all.starts_with("test.toml: line 2, column "), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn a_store_url_in_a_file_is_read_when_it_is_needed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("url");
    let text = format!("[store]\nredis_url_file = {path:?}");
    let config = load(&text, &[]).expect("no mistakes");
    assert!(config.store.is_shared());
    let error = config.store.url().expect_err("no file yet");
    assert!(error.starts_with("store.redis_url_file: the file ") && error.contains("url"), "{error}");
    std::fs::write(&path, "hunter2\n").expect("written");
    let error = config.store.url().expect_err("not a URL");
    assert!(!error.contains("hunter2") && error.contains("must be redis://"), "{error}");
    std::fs::write(&path, "redis://:pw@cache\n").expect("written");
    assert_eq!(config.store.url().expect("a file").expect("a URL").expose(), "redis://:pw@cache");
}

#[test]
fn sentinels_and_clusters_are_tables_that_variables_reach() {
    let text = "[store]\nsentinel_master = \"desk\"\nuser = \"tidegate\"\npassword_file = \"/pw\"\ntls = true\n\
                database = 3\n[store.sentinels]\na-1 = \"10.0.0.1:26379\"";
    let env =
        [("TIDEGATE__STORE__SENTINELS__A_1", "127.0.0.1:1"), ("TIDEGATE__STORE__SENTINELS__B", "[::1]:2")];
    let store = load(text, &env).expect("no mistakes").store;
    let sentinels: Vec<_> = store.sentinels.values().map(ToString::to_string).collect();
    assert_eq!(sentinels, ["127.0.0.1:1", "[::1]:2"]);
    assert!(store.is_shared() && store.is_loopback() && store.tls && store.database == 3);
    assert_eq!(store.url(), Ok(None));
    let store = load("", &[("TIDEGATE__STORE__CLUSTER__A", "10.0.0.1:6379")]).expect("no mistakes").store;
    assert!(store.is_shared() && !store.is_loopback());
}

#[test]
fn a_break_glass_key_is_one_processs_own() {
    let text = "[accounts.main]\n[keys.k]\naccount = \"main\"\nfile = \"/k\"\nbreak_glass = \"night\"\n\
                permissions = [\"close-trades\"]";
    for (name, is_for) in
        [("", false), ("[executor]\nname = \"day\"", false), ("[executor]\nname = \"night\"", true)]
    {
        let config = load(&format!("{text}\n{name}"), &[]).expect("no mistakes");
        let key = config.keys.values().next().expect("a key");
        assert_eq!(key.is_for(&config.executor), is_for, "{name:?}");
        assert!(key.is_in_pool_of(&config.executor));
    }
}

#[test]
fn a_decay_is_taken_digit_by_digit_however_it_is_written() {
    let tier = |decay: &str| {
        let text = format!("[accounts.main]\ntier = {{ max = 20, decay_per_s = {decay} }}");
        load(&text, &[]).map(|config| config.accounts[&"main".parse().expect("a label")].tier)
    };
    for (written, decay_milli_per_s) in [
        ("0.33", 330),
        ("\"0.33\"", 330),
        ("1", 1_000),
        ("1.0", 1_000),
        ("\"0.001\"", 1),
        ("1000000", 1_000_000_000),
    ] {
        let read = tier(written).unwrap_or_else(|mistakes| panic!("{written}: {mistakes}"));
        assert_eq!(read, Tier::Custom { max_points: 20, decay_milli_per_s }, "{written}");
    }
    for nonsense in ["0", "-1", "0.3333", "\"1e3\"", "nan", "inf", "1e20", "\"\"", "true", "1000001"] {
        tier(nonsense).expect_err(nonsense);
    }
}

#[test]
fn a_redis_on_this_machine_is_known_by_its_name() {
    for (url, loopback) in [
        ("redis://127.0.0.1:6379/0", true),
        ("redis://127.0.0.1", true),
        ("redis://localhost:7000", true),
        ("redis://[::1]:6379", true),
        ("redis://user:pass@127.0.0.1:6379/1", true),
        ("rediss://user:pass@localhost:6379", true),
        ("rediss://redis:6379/0", false),
        ("redis://redis:6379/0", false),
        ("redis://10.0.0.7:6379", false),
        ("redis://localhost.example:6379", false),
    ] {
        assert_eq!(url.parse::<RedisUrl>().expect(url).is_loopback(), loopback, "{url}");
    }
}

#[test]
fn an_account_that_places_must_have_a_key_that_looks() {
    let key = |label: &str, account: &str, pool: &str, permissions: &str| {
        format!(
            "[keys.{label}]\naccount = \"{account}\"\npool = \"{pool}\"\nfile = \"/k\"\npermissions = {permissions}\n"
        )
    };
    let accounts = "[accounts.main]\n[accounts.hedge]\n[executor]\npool = \"trade\"\n";
    let trade = key("a", "main", "trade", r#"["modify-trades", "close-trades"]"#);
    let both = key("b", "main", "trade", r#"["modify-trades"]"#);
    let half = key("c", "main", "read", r#"["query-open-trades"]"#);
    let others = key("d", "hedge", "read", r#"["query-open-trades", "query-closed-trades"]"#);
    let found = mistakes(&[accounts, &trade, &both, &half, &others].concat(), &[]);
    assert!(found.contains("accounts.main: has keys that place orders (a, b)"), "{found}");
    assert!(!found.contains("accounts.hedge"), "{found}");
    // In another pool is near enough, and whoever only cancels needs none.
    let read = key("e", "main", "read", r#"["query-open-trades", "query-closed-trades", "query-funds"]"#);
    load(&[accounts, &trade, &both, &read].concat(), &[]).expect("no mistakes");
    load(&[accounts, &key("f", "main", "trade", r#"["close-trades"]"#)].concat(), &[]).expect("no mistakes");
}

#[test]
fn a_mistake_is_one_line_whatever_the_names_are() {
    let text = mistakes("\"gate\\nway\" = 1\n[accounts.\"a\\u001b[31m\"]\n", &[("TIDEGATE__LOG__X\r", "1")]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines.iter().any(|line| line.starts_with(r"gate\nway: is not a known key")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with(r"accounts.a\u{1b}[31m: the label ")), "{text}");
    assert!(!lines.iter().any(|line| line.contains(char::is_control)), "{text:?}");
}
