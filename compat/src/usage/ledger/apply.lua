-- Applies a change once. KEYS[1]: marker, the last journal entry applied.
-- ARGV: marker expected, marker to set, marker ttl (s), then steps, each with the number of its words:
--   n 'c' word...                          a command
--   n 't' record index ttl id iso ms       a last use
--   n 'f' field...                         names fields; such steps are counted from 1
--   n 'h' key ttl fields by...             increments of a hash by the fields of that step; ttl -1: none
--   n 'b' json                             a billing event
-- Whoever finds another marker than expected changes nothing and learns what it found.
local seen = redis.call('GET', KEYS[1]) or ''
if seen ~= ARGV[1] then
  return {0, seen}
end
-- First, because it is what fails when Redis refuses writes; then nothing has happened yet.
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])

local argv, count = ARGV, #ARGV
local pcall_redis, unpack, tonumber = redis.pcall, unpack, tonumber
local layouts = {}
local reply = {1}

local function note(done, what)
  if type(done) == 'table' and done.err then
    reply[#reply + 1] = what .. ': ' .. done.err
  end
end

-- Adds to many fields with one read and one write. Doubles hold whole numbers up to 2^53; larger ones,
-- and values that are no whole numbers, are left to HINCRBY.
local LARGEST = 2 ^ 52
local function add(first)
  local key, ttl, fields = argv[first], argv[first + 1], layouts[tonumber(argv[first + 2])]
  local by = first + 2
  local old = pcall_redis('HMGET', key, unpack(fields))
  if old.err then
    return note(old, 'HINCRBY ' .. key)
  end
  local write = {key}
  for i = 1, #fields do
    local value = (tonumber(old[i] or 0) or 0.5) + tonumber(argv[by + i])
    if value % 1 ~= 0 or value > LARGEST or value < -LARGEST then
      for each = 1, #fields do
        note(pcall_redis('HINCRBY', key, fields[each], argv[by + each]), 'HINCRBY ' .. key)
      end
      write = nil
      break
    end
    write[2 * i] = fields[i]
    write[2 * i + 1] = value
  end
  if write then
    note(pcall_redis('HMSET', unpack(write)), 'HMSET ' .. key)
  end
  if ttl ~= '-1' then
    pcall_redis('EXPIRE', key, ttl)
  end
end

local at = 4
while at <= count do
  local last = at + tonumber(argv[at])
  local kind = argv[at + 1]
  if kind == 'h' then
    add(at + 2)
  elseif kind == 'f' then
    layouts[#layouts + 1] = {unpack(argv, at + 2, last)}
  elseif kind == 'b' then
    note(pcall_redis('XADD', 'billing:events', 'MAXLEN', '~', '100000', '*', 'data', argv[last]), 'XADD')
  elseif kind == 't' then
    local ok, problem = pcall(touch, unpack(argv, at + 2, last))
    if not ok then
      note({err = tostring(problem)}, 'touch ' .. argv[at + 2])
    end
  else
    note(pcall_redis(unpack(argv, at + 2, last)), argv[at + 2] .. ' ' .. (argv[at + 3] or ''))
  end
  at = last + 1
end
return reply
