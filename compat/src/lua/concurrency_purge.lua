-- KEYS[1] set of leases, or what stands in its place. ARGV: now in ms.
-- Returns how many leases ended; what is no set of leases goes and counts as one.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then
  return 0
end
if kind ~= 'zset' then
  return redis.call('DEL', KEYS[1])
end
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
