-- KEYS[1] waiting count, never left at or below zero.
local waiting = redis.call('DECR', KEYS[1])
if waiting > 0 then
  return waiting
end
redis.call('DEL', KEYS[1])
return 0
