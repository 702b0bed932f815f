-- KEYS[1] login. ARGV: now ISO, lifetime in s. A login that ended meanwhile is not made anew.
if redis.call('HEXISTS', KEYS[1], 'loginTime') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'lastActivity', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
