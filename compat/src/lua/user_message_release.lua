-- KEYS: 1 lock, 2 time of the last release. ARGV: request. Only the owner releases.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', KEYS[2], now, 'EX', 60)
redis.call('DEL', KEYS[1])
return 1
