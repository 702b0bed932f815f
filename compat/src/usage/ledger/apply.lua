-- Applies commands once. KEYS[1]: marker, the last journal entry applied.
-- ARGV: marker expected, marker to set, marker ttl (s), then per command its number of words and them.
-- Whoever finds another marker than expected changes nothing and learns what it found.
local seen = redis.call('GET', KEYS[1]) or ''
if seen ~= ARGV[1] then
  return {0, seen}
end
-- First, because it is what fails when Redis refuses writes; then nothing has happened yet.
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
local reply = {1}
local at = 4
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  local done
  if ARGV[at + 1] == 'crs.touch' then
    local ok, problem = pcall(touch, unpack(ARGV, at + 2, last))
    done = ok or {err = tostring(problem)}
  else
    done = redis.pcall(unpack(ARGV, at + 1, last))
  end
  if type(done) == 'table' and done.err then
    reply[#reply + 1] = ARGV[at + 1] .. ' ' .. (ARGV[at + 2] or '') .. ': ' .. done.err
  end
  at = last + 1
end
return reply
