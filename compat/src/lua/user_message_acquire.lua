-- KEYS: 1 lock, 2 time of the last release. ARGV: request, lock lifetime ms, pause ms.
-- Returns {1, 0} taken, {0, ms} too early, {0, -1} held by another. Server clock.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return {0, -1}
end
local last = redis.call('GET', KEYS[2])
if last then
  local time = redis.call('TIME')
  local left = tonumber(ARGV[3]) - (time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(last))
  if left > 0 then
    return {0, left}
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1, 0}
