-- KEYS[1] record. ARGV: now, end of life, both ISO; lifetime of the record in s.
-- Returns 1, or 0 when the record is gone or was activated meanwhile.
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HGET', KEYS[1], 'isActivated') == 'true' then
  return 0
end
redis.call('HSET', KEYS[1], 'isActivated', 'true', 'activatedAt', ARGV[1], 'expiresAt', ARGV[2], 'lastUsedAt', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
