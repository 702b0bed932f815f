-- KEYS[1] record. ARGV: end of life as seen, now ISO, lifetime of the record in s.
-- Switches the key off unless someone changed its end of life or switched it off meanwhile.
if redis.call('HGET', KEYS[1], 'isActive') ~= 'true' or redis.call('HGET', KEYS[1], 'expiresAt') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'isActive', 'false', 'updatedAt', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
