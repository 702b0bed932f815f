use super::*;
use crate::{store::Store, testing::TestRedis};

#[test]
fn renewal_needs_a_threshold_and_a_short_rest() {
    let never = StickyTtl::new(1.0, 0);
    assert_eq!((never.full_s, never.renews(1)), (3600, false));
    let soon = StickyTtl::new(0.5, 10);
    assert_eq!(soon.full_s, 1800);
    assert!(soon.renews(599) && soon.renews(0));
    assert!(!soon.renews(600) && !soon.renews(-1) && !soon.renews(-2));
    assert_eq!(StickyTtl::new(0.0, 0).full_s, 3600);
    assert_eq!(StickyTtl::new(0.0001, 0).full_s, 1);
}

#[tokio::test]
async fn mappings_are_written_as_the_legacy_service_reads_them() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let key = claude("abc");
    let mapping = Mapping { account_id: "a\"1".into(), account_type: "claude-official".into() };
    let ttl = StickyTtl::new(1.0, 30);
    store.run(set(&key, &mapping, ttl).into()).await.unwrap();
    assert_eq!(
        store
            .words(&["GET", "unified_claude_session_mapping:abc"])
            .await
            .unwrap()
            .text()
            .unwrap()
            .unwrap(),
        r#"{"accountId":"a\"1","accountType":"claude-official"}"#
    );
    let read = async || {
        let mut replies = store.run(get_all([key.as_str()])).await.unwrap();
        let ttl = replies.pop().unwrap();
        stuck(replies.pop().unwrap(), ttl).unwrap()
    };
    assert_eq!(read().await.unwrap(), Stuck { mapping: Some(mapping), remaining_s: 3600 });
    store.words(&["SETEX", &key, "60", "not json"]).await.unwrap();
    assert_eq!(read().await.unwrap(), Stuck { mapping: None, remaining_s: 60 });
    store.run(renew(&key, ttl).into()).await.unwrap();
    assert_eq!(read().await.unwrap().remaining_s, 3600);
    store.run(forget(&key).into()).await.unwrap();
    assert_eq!(read().await, None);
}
