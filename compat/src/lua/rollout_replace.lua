-- KEYS[1] record, KEYS[2] history. ARGV: expected version, new record, entries kept in the history.
-- Returns 1 when replaced, 0 when another version stands there, -1 when what stands there is no record.
local current = redis.call('GET', KEYS[1])
local version = 0
if current then
  local fine, record = pcall(cjson.decode, current)
  if not fine or type(record) ~= 'table' or type(record.version) ~= 'number' then
    return -1
  end
  version = record.version
end
if version ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('LPUSH', KEYS[2], ARGV[2])
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[3]) - 1)
return 1
