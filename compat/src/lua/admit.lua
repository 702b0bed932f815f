-- One key's admission: lease, request window, cost counters.
--
-- KEYS: 1 leases, 2 window start, 3 requests, 4 tokens, 5 cost, 6.. counters to read.
-- ARGV: 1 now ms, 2 member, 3 concurrency limit (0 = none), 4 lease end ms, 5 lease key lifetime ms,
--       6 window ms (0 = none), 7 request limit, 8 token limit, 9 cost limit (0 = none each).
-- Returns {verdict, leases, window start, requests, tokens, cost, counters..}; verdict is 0 admitted,
-- 1 too many leases, 2 requests, 3 tokens, 4 cost used up. A refusal leaves no lease behind, and too
-- many leases leave the window untouched. Requests count from here on, before later checks.
local now, limit, window = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[6])
local reply = {0, 0, false, false, false, false}
for at = 6, #KEYS do
  reply[at + 1] = redis.call('GET', KEYS[at])
end

if limit > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  redis.call('ZADD', KEYS[1], ARGV[4], ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  reply[2] = redis.call('ZCARD', KEYS[1])
  if reply[2] > limit then
    redis.call('ZREM', KEYS[1], ARGV[2])
    reply[1] = 1
    return reply
  end
end

if window > 0 then
  local start = redis.call('GET', KEYS[2])
  local began = tonumber(start or '')
  if not start or start == '' or (began and now - began >= window) then
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[6])
    for at = 3, 5 do
      redis.call('SET', KEYS[at], '0', 'PX', ARGV[6])
    end
    start = ARGV[1]
  end
  reply[3] = start
  for at = 3, 5 do
    reply[at + 1] = redis.call('GET', KEYS[at])
  end
  local used = function(at, most)
    local count = tonumber(reply[at] or '0')
    return most > 0 and count and count >= most
  end
  local requests, tokens, cost = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
  if used(4, requests) then
    reply[1] = 2
  elseif tokens > 0 then
    -- A token limit switches the cost limit of the window off.
    if used(5, tokens) then
      reply[1] = 3
    end
  elseif used(6, cost) then
    reply[1] = 4
  end
  if reply[1] == 0 then
    redis.call('INCR', KEYS[3])
  elseif limit > 0 then
    redis.call('ZREM', KEYS[1], ARGV[2])
  end
end
return reply
