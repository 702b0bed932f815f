use compat::{
    store::{RedisStore, Reply},
    testing::TestRedis,
};
use rstest::rstest;

use super::*;

const NOW: i64 = 1_784_822_000_000;
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct Bench {
    _redis: TestRedis,
    admin: RedisStore,
    admins: Admins,
}

impl Bench {
    fn new() -> Self {
        let redis = TestRedis::spawn();
        let (admin, store) = (redis.store(), Arc::new(redis.store()));
        Self { _redis: redis, admin, admins: Admins::new(store, Clock::manual(NOW)) }
    }

    async fn run(&self, words: &[&str]) -> Reply {
        self.admin.words(words).await.unwrap()
    }

    async fn login(&self, fields: &[&str]) {
        self.run(&[&["HSET", &format!("session:{TOKEN}")], fields].concat()).await;
    }

    async fn ask(&self, headers: &[(&str, &str)]) -> Result<Admin, String> {
        let headers: HeaderList = headers.iter().copied().collect();
        let found = self.admins.authenticate(&headers).await;
        found.map_err(|refusal| format!("{} {}: {refusal}", refusal.status(), refusal.error()))
    }

    async fn exists(&self) -> bool {
        self.run(&["EXISTS", &format!("session:{TOKEN}")]).await.int().unwrap() == 1
    }
}

#[tokio::test]
async fn a_login_of_the_legacy_service_is_valid_and_its_use_is_noted() {
    let bench = Bench::new();
    let login = ["username", "root", "loginTime", "2026-07-23T10:00:00.000Z"];
    bench.login(&login).await;
    bench.login(&["lastActivity", "2026-07-23T15:00:00.000Z", "extra", "kept"]).await;
    let bearer = format!("bEaReR  {TOKEN}");
    for headers in [
        [("authorization", bearer.as_str())],
        [("authorization", TOKEN)],
        [("x-admin-token", TOKEN)],
    ] {
        assert_eq!(bench.ask(&headers).await.unwrap().username, "root");
    }
    let key = format!("session:{TOKEN}");
    let fields = bench.run(&["HGETALL", &key]).await.map().unwrap();
    assert_eq!(fields["lastActivity"], "2026-07-23T15:53:20.000Z");
    assert_eq!((fields.len(), fields["extra"].as_str()), (4, "kept"));
    assert_eq!(bench.run(&["TTL", &key]).await.int().unwrap(), 86_400);
}

#[rstest]
#[case(&[], "401 Missing admin token: Please provide an admin token")]
#[case(&[("cookie", concat!("adminToken=", "0123456789abcdef0123456789abcdef"))], "401 Missing admin token: Please provide an admin token")]
#[case(&[("x-admin-token", "")], "401 Missing admin token: Please provide an admin token")]
#[case(&[("authorization", "Bearer short")], "401 Invalid admin token format: Admin token format is invalid")]
#[case(&[("authorization", "Bearer admin_credentials")], "401 Invalid admin token format: Admin token format is invalid")]
#[case(&[("authorization", "Bearer"), ("x-admin-token", "0123456789abcdef0123456789abcdef")], "401 Invalid admin token format: Admin token format is invalid")]
#[case(&[("x-admin-token", "0123456789abcdef0123456789abcdef")], "401 Invalid admin token: Invalid or expired admin session")]
#[tokio::test]
async fn strangers_are_refused_as_node_does(
    #[case] headers: &[(&str, &str)],
    #[case] expected: &str,
) {
    let bench = Bench::new();
    bench
        .run(&["HSET", "session:admin_credentials", "username", "root", "passwordHash", "x"])
        .await;
    assert_eq!(bench.ask(headers).await.unwrap_err(), expected);
    assert_eq!(bench.run(&["EXISTS", "session:admin_credentials"]).await.int().unwrap(), 1);
}

#[rstest]
#[case(&["username", "root"])]
#[case(&["loginTime", "2026-07-23T15:00:00.000Z"])]
#[case(&["username", "", "loginTime", "2026-07-23T15:00:00.000Z"])]
#[case(&["type", "oauth"])]
#[tokio::test]
async fn a_hash_without_both_fields_is_no_login(#[case] fields: &[&str]) {
    let bench = Bench::new();
    bench.login(fields).await;
    let refusal = bench.ask(&[("authorization", TOKEN)]).await.unwrap_err();
    assert_eq!(refusal, "401 Invalid session: Session data corrupted or incomplete");
    assert!(!bench.exists().await);
}

#[rstest]
#[case("2026-07-22T15:53:21.000Z", true)]
#[case("2026-07-22T15:53:19.000Z", false)]
#[tokio::test]
async fn a_login_that_was_not_used_for_a_day_is_over(#[case] last: &str, #[case] valid: bool) {
    let bench = Bench::new();
    bench.login(&["username", "root", "loginTime", last]).await;
    let found = bench.ask(&[("authorization", TOKEN)]).await;
    match valid {
        true => assert!(found.is_ok()),
        false => assert_eq!(
            found.unwrap_err(),
            "401 Session expired: Admin session has expired due to inactivity"
        ),
    }
    assert_eq!(bench.exists().await, valid);
}

#[tokio::test]
async fn a_logout_in_between_is_not_undone() {
    let bench = Bench::new();
    let reply = bench.admin.run(session::touch(TOKEN, "now").into()).await.unwrap().pop().unwrap();
    assert_eq!(reply, Reply::Int(0));
    assert!(!bench.exists().await);
}

#[tokio::test]
async fn without_redis_nobody_is_let_in() {
    let mut redis = TestRedis::spawn();
    let admins = Admins::new(Arc::new(redis.store()), Clock::manual(NOW));
    redis.stop();
    let headers: HeaderList = [("authorization", TOKEN)].into_iter().collect();
    let refusal = admins.authenticate(&headers).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.error()), (500, "Authentication error"));
}
