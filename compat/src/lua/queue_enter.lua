-- KEYS[1] waiting count. ARGV: lifetime s.
local waiting = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return waiting
