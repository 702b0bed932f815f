-- KEYS: 1 hash map, 2 legacy hash record. ARGV: hash of the key.
-- Returns {where the id came from: 0 nowhere, 1 map, 2 legacy record; id; record fields; owner JSON}.
local id, found = redis.call('HGET', KEYS[1], ARGV[1]), 1
if not id or id == '' then
  id, found = redis.call('HGET', KEYS[2], 'id'), 2
end
if not id or id == '' then
  return {0, '', {}, false}
end
local record = redis.call('HGETALL', 'apikey:' .. id)
local owner = false
for at = 1, #record, 2 do
  if record[at] == 'userId' and record[at + 1] ~= '' then
    owner = redis.call('GET', 'user:' .. record[at + 1])
  end
end
return {found, id, record, owner}
