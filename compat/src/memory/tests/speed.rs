//! How long a run takes; printed, never asserted.

use std::time::Instant;

use super::{super::Foreign, *};
use crate::lua;

#[expect(clippy::print_stderr, reason = "a measurement")]
#[tokio::test]
async fn three_hundred_commands() {
    let script =
        "redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2]) return redis.call('ZCARD', KEYS[1])";
    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    for n in 0..60 {
        commands.push(words(&format!("HGETALL account:{}", n % 10)));
        commands.push(words(&format!("HINCRBY usage:{} totalTokens 123", n % 30)));
        commands.push(words(&format!("EXPIRE usage:{} 2592000", n % 30)));
        commands.push(words(&format!("GET sticky:{n}")));
        commands.push(words(&format!("INCRBYFLOAT cost:{} 0.0123", n % 6)));
    }
    let commands: Vec<Foreign> =
        commands.into_iter().map(|args| Foreign { args, reply: Some(Reply::Nil) }).collect();
    let eval: Vec<Vec<u8>> =
        ["EVAL", script, "1", "leases", "1", "m"].map(|word| word.as_bytes().to_vec()).into();
    let admit = Cmd::script(&lua::ADMIT, ["l", "w", "r", "t", "c", "d"])
        .args(["1000", "m", "5", "9000", "9000", "60000", "5", "0", "0"]);
    const ROUNDS: u32 = 50;
    let (mut plain, mut first, mut later, mut own, mut net) = Default::default();
    for _ in 0..ROUNDS {
        let memory = empty();
        let timed = |total: &mut std::time::Duration, since: Instant| *total += since.elapsed();
        let at = Instant::now();
        memory.replay(&commands).await.unwrap();
        timed(&mut plain, at);
        let at = Instant::now();
        memory.command(&eval).await.unwrap();
        timed(&mut first, at);
        let at = Instant::now();
        memory.command(&eval).await.unwrap();
        timed(&mut later, at);
        let at = Instant::now();
        memory.run(admit.clone().into()).await.unwrap();
        timed(&mut own, at);
        let at = Instant::now();
        assert!(!memory.changes().keys.is_empty());
        timed(&mut net, at);
    }
    let mean = |total: std::time::Duration| total / ROUNDS;
    eprintln!(
        "300 commands {:?}, first script {:?}, again {:?}, admit {:?}, changes {:?}",
        mean(plain),
        mean(first),
        mean(later),
        mean(own),
        mean(net)
    );
}
