-- KEYS[1] leases. ARGV: member, now ms. Redis drops a set with its last member by itself.
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
return redis.call('ZCARD', KEYS[1])
