-- A deleted record must not come back, and a later use noted by another process must stay.
local function touch(record, index, ttl, id, iso, ms)
  if redis.call('EXISTS', record) == 0 then
    return 0
  end
  local noted = redis.call('HGET', record, 'lastUsedAt')
  if not noted or noted < iso then
    redis.call('HSET', record, 'lastUsedAt', iso)
  end
  redis.call('EXPIRE', record, ttl)
  local score = redis.call('ZSCORE', index, id)
  if not score or tonumber(score) < tonumber(ms) then
    redis.call('ZADD', index, ms, id)
  end
  return 1
end
